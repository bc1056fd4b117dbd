"""Templates on a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from upperbound.report.wording import MISSING, count

if TYPE_CHECKING:
    from upperbound.views.templates import TemplateList, VersionEntry

BUILT_IN: Final = "built in"


def template_list(page: "TemplateList", *, searched: bool = False) -> RenderableType:
    """Return a page of templates; ``searched`` says that it need not hold all there are."""
    if not page.templates:
        return Text("no template is like that" if searched else "no templates yet: `upperbound template import FILE`")
    table = _table(["name", "version", "load", "table type", "tags", "saved (UTC)", "by", "id"])
    for entry in page.templates:
        table.add_row(
            Text(entry.name),
            BUILT_IN if entry.built_in else count(entry.version),
            entry.load_mode,
            entry.table_type,
            Text(tags_text(entry.tags)),
            f"{entry.updated_at:%Y-%m-%d %H:%M}" if entry.updated_at else MISSING,
            Text(entry.updated_by or MISSING),
            entry.template_id or MISSING,
        )
    if page.total > len(page.templates):
        table.caption = f"{len(page.templates)} of {page.total}"
        table.caption_justify = "left"
    return table


def version_list(versions: Sequence["VersionEntry"]) -> RenderableType:
    """Return the versions of one template."""
    table = _table(["version", "saved (UTC)", "by", "what"])
    for entry in versions:
        saved = f"{entry.saved_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(count(entry.version), saved, Text(entry.saved_by), Text(entry.note or MISSING))
    return table


def tags_text(tags: Mapping[str, str]) -> str:
    """Return tags as they are typed; nothing for none."""
    return " ".join(f"{key}={value}" for key, value in tags.items())


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
