"""A run's operations as its target takes them."""
