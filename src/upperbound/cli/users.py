"""Who gives the command, for what is written down about it."""

import contextlib
import getpass


def user_name() -> str:
    """Return the name of the user; ``a user`` where the system has none."""
    with contextlib.suppress(OSError, KeyError):
        return getpass.getuser()
    return "a user"
