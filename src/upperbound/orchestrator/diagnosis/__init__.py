"""``upperbound doctor``: every check of host, store, scenario and target that can be made without changing anything."""
