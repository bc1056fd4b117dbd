"""What the sections of the editor share."""

from typing import Protocol

from pydantic import SecretStr

from upperbound.errors import UpperboundError
from upperbound.scenario.kinds import TableType
from upperbound.ui.draft import Verdict


class Editor(Protocol):
    """The page, as its sections know it."""

    @property
    def password(self) -> SecretStr | None:
        """What the visitor has given for the kind of target that is chosen; None for nothing."""
        ...

    @password.setter
    def password(self, given: SecretStr | None) -> None: ...

    @property
    def verdict(self) -> Verdict:
        """What the draft came to when it was last checked."""
        ...

    def tell(self, error: UpperboundError) -> None:
        """Bring up what went wrong."""
        ...

    def take_table_type(self, found: TableType) -> None:
        """Keep the kind of the table, as its server tells it, and show it."""
        ...
