"""Builders of chart options: pure functions from figures to what ECharts draws."""
