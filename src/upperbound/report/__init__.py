"""Renderings of a view."""
