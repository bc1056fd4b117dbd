"""The control and results store."""
