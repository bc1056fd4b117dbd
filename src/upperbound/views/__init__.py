"""Read models shared by every surface."""
