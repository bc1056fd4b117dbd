"""The settings of a process as they may be shown."""

from upperbound.views.view import View


class SettingEntry(View):
    """One setting in effect."""

    name: str
    value: str | None
    """Masked when it is a secret; null when it is not set."""
    source: str
    """``flag``, the name of an environment variable, the path of a file, or ``default``."""
    description: str
