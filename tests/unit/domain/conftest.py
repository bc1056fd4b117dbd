"""Property tests of the domain run the same examples every time, however slow the machine is."""

from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")
