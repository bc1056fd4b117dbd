"""The database under test: where it is, what it can do, and which table."""

from typing import Final, Protocol

from pydantic import SecretStr

from upperbound.domain.diagnosis import Check, CheckStatus
from upperbound.errors import ConfigurationError, UpperboundError
from upperbound.orchestrator.diagnosis.target import check_target
from upperbound.scenario.connection_url import check_url
from upperbound.targets.pg_connection import ConnInfo
from upperbound.ui.components.busy import on_click_once
from upperbound.ui.components.fields import Form
from upperbound.ui.components.html import Tag, button
from upperbound.ui.components.panel import note, panel
from upperbound.ui.components.words import tag
from upperbound.ui.draft import Verdict
from upperbound.ui.pages.configure.catalog import Browser
from upperbound.ui.pages.configure.load import segmented
from upperbound.ui.services import UiServices, in_thread

KINDS: Final = {"postgres": "A PostgreSQL server", "embedded": "Embedded PostgreSQL", "snowflake": "Snowflake"}
SNOWFLAKE_TABLE_TYPES: Final = {
    "STANDARD": "Standard, or a view",
    "HYBRID": "Hybrid",
    "INTERACTIVE": "Interactive",
    "DYNAMIC": "Dynamic",
}
TABLE_TYPES: Final = {"POSTGRES": "PostgreSQL", "SNOWFLAKE_POSTGRES": "Snowflake Postgres"}
CHECKED: Final = {
    CheckStatus.OK: ("ok", "✓", "ok"),
    CheckStatus.WARNING: ("warning", "▲", "warn"),
    CheckStatus.FAILED: ("failed", "✕", "bad"),
    CheckStatus.SKIPPED: ("not checked", "–", ""),
}


class Editor(Protocol):
    """What the sections of the page share."""

    password: SecretStr | None

    @property
    def verdict(self) -> Verdict:
        """What the draft came to when it was last checked."""
        ...

    def tell(self, error: UpperboundError) -> None:
        """Bring up what went wrong."""
        ...


def connection_of(form: Form, editor: Editor, purpose: str) -> ConnInfo:
    """Return the way into the target that is typed. Raises :class:`ConfigurationError` when none is."""
    url = str(form.draft.get("target.url") or "")
    if form.draft.get("target.kind") == "embedded":
        raise ConfigurationError(
            "an embedded server is started for its run alone, so that there is nothing to look at yet"
        )
    if form.draft.get("target.kind") == "snowflake":
        raise ConfigurationError(
            "a Snowflake account is not looked at from here yet",
            hint="`upperbound catalog` and `upperbound template generate` do, by --scenario",
        )
    if fault := check_url(url):
        raise ConfigurationError(f"the target's URL {fault.message}", hint=fault.hint)
    return ConnInfo(url, editor.password, f"upperbound:{purpose}")


class TargetSection:
    """The fields of the target, a check of it, and its catalog to pick a table from."""

    def __init__(self, services: UiServices, form: Form, editor: Editor) -> None:
        self._services, self._form, self._editor = services, form, editor
        with panel("Target"), Tag("div", cls="stack"):
            segmented(form, "target.kind", "Kind of target", KINDS, self._show)
            self._place = Tag("div", cls="stack")
        self._show()

    def password_taken(self) -> None:
        """Say that a password was taken out of the URL."""
        self._show()
        with self._place:
            note(
                "info",
                "The password was taken out of the URL",
                ["It is used on this page and for the run, and not kept."],
            )

    def _show(self) -> None:
        self._form.forget("target.")
        self._place.clear()
        with self._place:
            if self._form.draft.get("target.kind") == "embedded":
                self._embedded()
            elif self._form.draft.get("target.kind") == "snowflake":
                self._snowflake()
            else:
                self._server()

    def _snowflake(self) -> None:
        Tag(
            "p",
            "A table of a Snowflake account. Who logs in, and how, comes from connections.toml and the environment of "
            "the controller and of its workers.",
            "muted small",
        )
        form = self._form
        with Tag("div", cls="fields"):
            form.text("target.connection_name", "Connection", "an entry of connections.toml", cls="mono")
            form.text("target.warehouse", "Warehouse", "not that of the store", cls="mono")
            form.text("target.database", "Database", "that of the connection", cls="mono")
            form.text("target.schema", "Schema", "that of the connection", cls="mono")
            form.text("target.table", "Table", "table or schema.table, as in SQL", cls="mono")
            form.choice("target.table_type", "Table type", SNOWFLAKE_TABLE_TYPES)

    def _embedded(self) -> None:
        Tag(
            "p",
            "A PostgreSQL server that is started for the run with a table of orders, and thrown away after it. It "
            "shares this machine with the load generator.",
            "muted small",
        )
        with Tag("div", cls="fields"):
            self._form.text("target.table", "Table")
            self._form.number("target.rows", "Rows")

    def _server(self) -> None:
        form = self._form
        form.text(
            "target.url", "URL", "postgresql://user@host:5432/database; without the password", cls="mono", type="url"
        )
        with Tag("div", cls="fields"):
            with Tag("div", cls="field"):
                Tag("label", "Password", for_=f"password-{self._place.id}")
                field = Tag(
                    "input",
                    cls="input",
                    type="password",
                    autocomplete="off",
                    id=f"password-{self._place.id}",
                    placeholder="given" if self._editor.password else "PGPASSWORD or ~/.pgpass",
                )
                field.typed(self._take_password)
                Tag("div", "Used on this page and for the run; kept nowhere", "hint")
            form.text("target.table", "Table", "schema.table, in quotes as in SQL", cls="mono")
            form.choice("target.table_type", "Table type", TABLE_TYPES)
        with Tag("div", cls="row"):
            on_click_once(button("Check the connection"), self._check)
            on_click_once(button("Browse tables …"), self._browse)
        self._checks = Tag("div", cls="stack tight", aria_live="polite")

    def _take_password(self, given: str) -> None:
        self._editor.password = SecretStr(given) if given else None

    async def _check(self) -> None:
        """Look at the server, and at whether the scenario fits it when it is complete; nothing is changed there."""
        self._checks.clear()
        with self._checks:
            Tag("p", "Looking at the server …", "muted small")
        try:
            info = connection_of(self._form, self._editor, "doctor")
            loaded = self._editor.verdict.loaded
            scenario = loaded.scenario if loaded else None
            threads = scenario.threads if scenario else None
            found = await in_thread(check_target, info, self._services.clock, scenario, threads)
        except UpperboundError as error:
            self._checks.clear()
            self._editor.tell(error)
            return
        self._checks.clear()
        with self._checks:
            for check in found.checks:
                _line(check)

    async def _browse(self) -> None:
        try:
            browser = Browser(connection_of(self._form, self._editor, "catalog"), self._chosen)
            await browser.open()
        except UpperboundError as error:
            self._editor.tell(error)

    async def _chosen(self, url: str, table: str) -> None:
        self._form.draft.set("target.url", url)
        self._form.draft.set("target.table", table)
        self._show()
        await self._form.changed()


def _line(check: Check) -> None:
    with Tag("div", cls="row tight", style="align-items: baseline; flex-wrap: nowrap"):
        tag(*CHECKED[check.status])
        with Tag("div", cls="stack tight small anywhere"):
            Tag("span", f"{check.name}: {check.found}")
            if check.advice:
                Tag("span", check.advice, "muted")
