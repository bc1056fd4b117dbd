"""What users do on more than one page."""

import contextlib
from collections.abc import Iterator
from typing import Final

from pydantic import SecretStr

from upperbound.errors import UpperboundError
from upperbound.scenario.builtins import load_builtin
from upperbound.scenario.loader import LoadedScenario
from upperbound.store.templates import TemplateRef
from upperbound.ui.components.toasts import Toasts
from upperbound.ui.services import UiServices

DEMO: Final = "demo"
"""The built-in scenario that brings its own server, for a first run."""


@contextlib.contextmanager
def told_by(toasts: Toasts) -> Iterator[None]:
    """Let a toast tell of an error, and go on."""
    try:
        yield
    except UpperboundError as error:
        toasts.error(error)


def prepare_builtin(services: UiServices, name: str, password: SecretStr | None = None) -> str:
    """Make a run of a built-in scenario, PREPARED, and return its id; see :meth:`Controller.prepare`."""
    return services.controller.prepare(load_builtin(name), password=password)


def prepare_template(services: UiServices, template_id: str, password: SecretStr | None = None) -> str:
    """Make a run of a template's newest version, PREPARED, and return its id; see :meth:`Controller.prepare`.

    Raises, beside what that raises, :class:`TemplateNotFound`.
    """
    stored = services.store.templates.version(template_id)
    loaded = LoadedScenario(stored.scenario, (), None)
    return services.controller.prepare(loaded, template=TemplateRef(template_id, stored.version), password=password)
