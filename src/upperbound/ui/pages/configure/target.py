"""The database under test: where it is, what it can do, and which table."""

from typing import Final

from pydantic import SecretStr

from upperbound.domain.diagnosis import Check, CheckStatus
from upperbound.errors import UpperboundError
from upperbound.orchestrator.diagnosis.snowflake import check_snowflake
from upperbound.orchestrator.diagnosis.target import TargetDiagnosis, check_target
from upperbound.targets.postgres import ConnInfo
from upperbound.ui.components.busy import on_click_once
from upperbound.ui.components.fields import Form
from upperbound.ui.components.html import Tag, button
from upperbound.ui.components.panel import note, panel
from upperbound.ui.components.words import tag
from upperbound.ui.pages.configure.catalog import Browser
from upperbound.ui.pages.configure.editor import Editor
from upperbound.ui.pages.configure.load import segmented
from upperbound.ui.pages.configure.way_in import Choice, is_snowflake, keep_choice, typed_account, way_in
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


class TargetSection:
    """The fields of the target, a check of it, and its catalog to pick a table from."""

    def __init__(self, services: UiServices, form: Form, editor: Editor) -> None:
        self._services, self._form, self._editor = services, form, editor
        with panel("Target"), Tag("div", cls="stack"):
            segmented(form, "target.kind", "Kind of target", KINDS, self.show)
            self._place = Tag("div", cls="stack")
            self._looks = Tag("div", cls="stack")
            with self._looks:
                with Tag("div", cls="row"):
                    on_click_once(button("Check the connection"), self._check)
                    on_click_once(button("Browse tables …"), self._browse)
                self._checks = Tag("div", cls="stack tight", aria_live="polite")
        self.show()

    def password_taken(self) -> None:
        """Say that a password was taken out of the URL."""
        self.show()
        with self._place:
            note(
                "info",
                "The password was taken out of the URL",
                ["It is used on this page and for the run, and not kept."],
            )

    def show(self) -> None:
        """Lay out the fields of the kind that is chosen; what a check has found of others is gone."""
        self._checks.clear()
        self._form.forget("target.")
        self._place.clear()
        kind = self._form.draft.get("target.kind")
        with self._place:
            if kind == "embedded":
                self._embedded()
            elif kind == "snowflake":
                self._snowflake()
            else:
                self._server()
        self._looks.show(kind != "embedded")

    def _snowflake(self) -> None:
        Tag(
            "p",
            "A table of a Snowflake account. Who logs in, and how, comes from connections.toml and the environment of "
            "the controller and of its workers; what is typed here wins.",
            "muted small",
        )
        form = self._form
        with Tag("div", cls="fields"):
            form.text("target.connection_name", "Connection", "an entry of connections.toml", cls="mono")
            form.text("target.account", "Account", "that of the connection", cls="mono")
            form.text("target.user", "User", "that of the connection", cls="mono")
            form.text("target.role", "Role", "that of the connection", cls="mono")
            self._password("Password or token", "that of the connection")
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
            self._password("Password", "PGPASSWORD or ~/.pgpass")
            form.text("target.table", "Table", "schema.table, in quotes as in SQL", cls="mono")
            form.choice("target.table_type", "Table type", TABLE_TYPES)

    def _password(self, label: str, otherwise: str) -> None:
        """Take a password for the kind of target that is chosen; ``otherwise`` is where it comes from without one."""
        with Tag("div", cls="field"):
            Tag("label", label, for_=f"password-{self._place.id}")
            field = Tag(
                "input",
                cls="input",
                type="password",
                autocomplete="off",
                id=f"password-{self._place.id}",
                placeholder="given" if self._editor.password else otherwise,
            )
            field.typed(self._take_password)
            Tag("div", "Used on this page and for the run; kept nowhere", "hint")

    def _take_password(self, given: str) -> None:
        self._editor.password = SecretStr(given) if given else None

    async def _check(self) -> None:
        """Look at the target, and at whether the scenario fits it when it is complete; nothing is changed there."""
        self._checks.clear()
        with self._checks:
            Tag("p", "Looking at the server …", "muted small")
        try:
            found = await in_thread(self._diagnosed)
        except UpperboundError as error:
            self._checks.clear()
            self._editor.tell(error)
            return
        self._checks.clear()
        with self._checks:
            for check in found.checks:
                _line(check)

    def _diagnosed(self) -> TargetDiagnosis:
        """Make the checks of ``upperbound doctor``; for a thread, as it waits for the target."""
        draft, password, clock = self._form.draft, self._editor.password, self._services.clock
        loaded = draft.judge().loaded
        scenario = loaded.scenario if loaded else None
        threads = scenario.threads if scenario else None
        if is_snowflake(draft):
            return check_snowflake(typed_account(draft), password, clock, scenario, threads)
        place = way_in(draft, password, "doctor")
        assert isinstance(place, ConnInfo), "of the two that can be looked at, this one is no account"
        return check_target(place, clock, scenario, threads)

    async def _browse(self) -> None:
        try:
            place = await in_thread(way_in, self._form.draft, self._editor.password, "catalog")
            await Browser(place, self._chosen).open()
        except UpperboundError as error:
            self._editor.tell(error)

    async def _chosen(self, choice: Choice) -> None:
        keep_choice(self._form.draft, choice)
        self.show()
        await self._form.changed()


def _line(check: Check) -> None:
    with Tag("div", cls="row tight", style="align-items: baseline; flex-wrap: nowrap"):
        tag(*CHECKED[check.status])
        with Tag("div", cls="stack tight small anywhere"):
            first, *more = check.found.split("\n")
            Tag("span", f"{check.name}: {first}")
            for line in more:
                Tag("span", line)
            for line in check.advice.splitlines():
                Tag("span", line, "muted")
