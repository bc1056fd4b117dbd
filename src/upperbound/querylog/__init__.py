"""Every query that was sent, kept in files."""
