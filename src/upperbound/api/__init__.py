"""The controller's HTTP side: the API, its errors, and who may use it."""
