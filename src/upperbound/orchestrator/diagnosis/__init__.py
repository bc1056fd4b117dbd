"""``upperbound doctor``: every check of host, store, scenario and target that can be made without changing anything.

Where it is asked for, the operations of the scenario are executed and rolled back as well.
"""
