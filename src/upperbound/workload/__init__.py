"""Which operation comes next, and with which parameters."""
