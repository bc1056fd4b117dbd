"""The mix of operations: statements, parameters and weights."""

from decimal import Decimal
from typing import Any, Final

from upperbound.errors import UpperboundError
from upperbound.scenario.kinds import Isolation, OperationKind, Preset
from upperbound.ui.components.busy import on_click_once
from upperbound.ui.components.fields import Field, Form
from upperbound.ui.components.html import Tag, button
from upperbound.ui.components.panel import empty, note, panel
from upperbound.ui.components.sql_editor import SqlEditors, SqlField
from upperbound.ui.draft import HUNDRED
from upperbound.ui.pages.configure.editor import Editor
from upperbound.ui.pages.configure.generate import generated
from upperbound.ui.pages.configure.way_in import way_in
from upperbound.ui.params_text import SNIPPETS, WORDS, kind_of, param_of, text_of
from upperbound.ui.services import UiServices, in_thread

KINDS: Final = {
    OperationKind.POINT_LOOKUP.value: "Point lookup",
    OperationKind.RANGE_SCAN.value: "Range scan",
    OperationKind.INSERT.value: "Insert",
    OperationKind.UPDATE.value: "Update",
    OperationKind.GENERIC_SQL.value: "Any SQL",
}
PRESETS: Final = {
    Preset.CUSTOM.value: "Weights of my own",
    Preset.READ_ONLY.value: "Only reads",
    Preset.READ_HEAVY.value: "Mostly reads",
    Preset.MIXED.value: "Reads and writes",
    Preset.WRITE_HEAVY.value: "Mostly writes",
    Preset.WRITE_ONLY.value: "Only writes",
}
ISOLATION: Final = {"": "The server's default", **{one.value: one.value.replace("_", " ") for one in Isolation}}


class OperationsSection:
    """A block for each operation; weights have to add up to 100.00."""

    def __init__(self, services: UiServices, form: Form, editor: Editor) -> None:
        self._services, self._form, self._editor = services, form, editor
        self._editors = SqlEditors()
        self._key: str | None = None
        """A column that statements are to be generated for, where the server knows no key."""
        with panel("Workload") as header, Tag("div", cls="stack"):
            with Tag("div", cls="row between"):
                with Tag("div", cls="row"):
                    self._presets = Tag("div", style="min-width: 13rem")
                    self._key_field()
                with Tag("div", cls="row tight"):
                    on_click_once(button("Generate SQL from the table"), self._generate)
                    button("Add an operation", self._add)
            self._told = Tag("div", cls="stack tight", aria_live="polite")
            self._list = Tag("div", cls="stack")
        with header:
            self._weight = Tag("span", "", "tag last", role="status")
        self._show()

    def show_weight(self) -> None:
        """Show what the weights add up to."""
        weight = self._form.draft.weight
        right = weight == HUNDRED
        shown = "not a number" if weight is None else f"{weight.quantize(Decimal('0.01'))} of 100.00 %"
        self._weight.restyle(f"tag last {'ok' if right else 'bad'}").say(f"{'✓' if right else '▲'} Weights: {shown}")

    def _show(self) -> None:
        form = self._form
        form.forget("workload.")
        self._presets.clear()
        with self._presets:
            form.choice("workload.preset", "Mix", PRESETS, then=self._preset_chosen)
        self._list.clear()
        with self._list:
            if not form.draft.operations:
                empty(
                    "No operation yet",
                    "Generate the statements from the table's keys and types, or add one and write its SQL.",
                    low=True,
                )
            for index in range(len(form.draft.operations)):
                self._operation(index)

    def _key_field(self) -> None:
        def take(text: str) -> None:
            self._key = text.strip() or None

        with Tag("div", cls="field") as field:
            Tag("label", "Key", for_=f"key-{field.id}")
            control = Tag(
                "input",
                cls="input mono",
                id=f"key-{field.id}",
                autocomplete="off",
                spellcheck="false",
                placeholder="the table's own",
                title="A column to generate SQL by, where the server knows no key, as of a view",
            )
            control.typed(take)

    async def _redraw(self) -> None:
        self._show()
        await self._form.changed()

    def _preset_chosen(self) -> None:
        draft = self._form.draft
        draft.apply_preset(Preset(draft.get("workload.preset") or Preset.CUSTOM.value))
        self._show()
        self.show_weight()

    async def _add(self) -> None:
        self._form.draft.add_operation(
            OperationKind.GENERIC_SQL if self._form.draft.operations else OperationKind.POINT_LOOKUP
        )
        await self._redraw()

    async def _generate(self) -> None:
        """Let the catalog's entry of the table decide on the statements, and say why each is as it is."""
        draft = self._form.draft
        self._told.clear()
        try:
            place = await in_thread(way_in, draft, self._editor.password, "generate")
            preset = Preset(draft.get("workload.preset") or Preset.CUSTOM.value)
            found = await in_thread(generated, place, str(draft.get("target.table") or ""), preset, self._key)
        except UpperboundError as error:
            self._editor.tell(error)
            return
        draft.replace_operations(found.operations)
        if found.table_type is not None:
            self._editor.take_table_type(found.table_type)
        with self._told:
            note("info", "Written from the table's catalog entry", [*found.reasons])
            if found.refusals:
                note("warn", "Left out", found.refusals)
        await self._redraw()

    # One operation ----------------------------------------------------------------------------------------------

    def _operation(self, index: int) -> None:
        form, path = self._form, f"workload.operations.{index}"
        operation = form.draft.operations[index]
        with Tag("section", cls="op", aria_label=f"Operation {index + 1}", data_operation=str(index)):
            with Tag("div", cls="op-head"):
                form.choice(f"{path}.kind", "Kind", KINDS, then=self._show)
                form.text(f"{path}.name", "Name", placeholder="as its kind", maxlength="80")
                form.number(f"{path}.weight_pct", "Weight (%)")
                if operation.get("kind") == OperationKind.GENERIC_SQL.value:
                    form.choice(f"{path}.operation_type", "Type", {"": "Choose …", "READ": "Reads", "WRITE": "Writes"})
                else:
                    Tag("span")

                async def remove() -> None:
                    form.draft.operations.pop(index)
                    await self._redraw()

                button("Remove", remove, "ghost small", aria_label=f"Remove operation {index + 1}")
            self._statements(path, operation)
            self._params(path, operation)
            with Tag("details"):
                Tag("summary", "Objectives of this operation", "small muted")
                with Tag("div", cls="fields", style="padding-top: 0.6rem"):
                    form.number(f"{path}.slo.p95_ms", "p95 at most (ms)")
                    form.number(f"{path}.slo.p99_ms", "p99 at most (ms)")
                    form.number(f"{path}.slo.error_pct", "Errors at most (%)")

    def _statements(self, path: str, operation: dict[str, Any]) -> None:
        form, statements = self._form, operation.get("statements") or []
        generic = operation.get("kind") == OperationKind.GENERIC_SQL.value
        if not statements:
            SqlField(form, self._editors, f"{path}.sql", "SQL")
            if generic:
                button(
                    "Make it a transaction of several statements",
                    lambda: self._to_transaction(operation),
                    "ghost small",
                )
            return
        for number in range(len(statements)):
            SqlField(form, self._editors, f"{path}.statements.{number}", f"Statement {number + 1}")
        with Tag("div", cls="row"):
            button("Add a statement", lambda: self._add_statement(operation), "small")
            button("Remove the last", lambda: self._drop_statement(operation), "ghost small")
        with Tag("div", cls="fields"):
            form.check(f"{path}.autocommit", "Commit each by itself")
            form.choice(f"{path}.isolation", "Isolation", ISOLATION)

    async def _to_transaction(self, operation: dict[str, Any]) -> None:
        operation["statements"] = [operation.pop("sql", None) or "", ""]
        await self._redraw()

    async def _add_statement(self, operation: dict[str, Any]) -> None:
        operation["statements"].append("")
        await self._redraw()

    async def _drop_statement(self, operation: dict[str, Any]) -> None:
        operation["statements"].pop()
        if len(operation["statements"]) == 1:
            operation["sql"] = operation.pop("statements")[0]
        await self._redraw()

    # Parameters -------------------------------------------------------------------------------------------------

    def _params(self, path: str, operation: dict[str, Any]) -> None:
        operation["params"] = params = list(operation.get("params") or [])
        with Tag("div", cls="stack tight"):
            with Tag("div", cls="row"):
                Tag("span", "Parameters", "legend")

                async def add() -> None:
                    params.append(param_of(SNIPPETS["range"]))
                    await self._redraw()

                button("Add $" + str(len(params) + 1), add, "ghost small")
            for number in range(len(params)):
                self._param(f"{path}.params.{number}", params, number)

    def _param(self, path: str, params: list[Any], number: int) -> None:
        form, name = self._form, f"${number + 1}"
        with Tag("div", cls="param"):
            Tag("span", name, "no")
            with Tag("select", cls="input", aria_label=f"Kind of {name}") as select:
                for kind, word in WORDS.items():
                    Tag("option", word, value=kind, selected=kind == kind_of(params[number]))

            async def choose(kind: str) -> None:
                params[number] = param_of(SNIPPETS[kind])
                await self._redraw()

            select.chosen(choose)
            with Tag("div", cls="value"):
                field = form.added(Field(form, path, f"Values of {name}", hidden_label=True))
                with field.place:
                    control = Tag("input", cls="input mono", value=text_of(params[number]), spellcheck="false")
                field.holds(control)

            async def take(text: str) -> None:
                params[number] = param_of(text)
                await form.changed()

            control.typed(take)

            async def remove() -> None:
                params.pop(number)
                await self._redraw()

            button("✕", remove, "ghost small", aria_label=f"Remove {name}")
