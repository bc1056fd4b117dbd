"""Create, start, watch, stop and finish a run."""
