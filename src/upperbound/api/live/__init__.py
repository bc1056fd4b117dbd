"""Live values of runs: read or pushed once a second, made into one update, and given to everyone who watches."""
