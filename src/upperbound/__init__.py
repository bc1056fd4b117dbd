"""Upperbound: find out how much concurrent load a database carries, with figures you can trust."""

__version__ = "0.1.0"
