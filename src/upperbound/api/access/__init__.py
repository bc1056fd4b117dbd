"""Who may use the controller, and from where."""
