"""Whatever a catalog says, what is generated from it keeps the rules: decided without a server."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from upperbound.scenario.kinds import OperationKind
from upperbound.scenario.statement_checks import check_parameters, check_statements
from upperbound.targets.catalog import (
    CheckEntry,
    ColumnEntry,
    ForeignKeyEntry,
    Identity,
    IndexEntry,
    ObjectEntry,
    ObjectKind,
    Partitioning,
    PartitionStrategy,
    TableEntry,
)
from upperbound.targets.generate import generate
from upperbound.targets.generated import CANONICAL, Generated, Refusal, TableFacts
from upperbound.targets.pg_types import Family

TYPES = {
    "bigint": Family.INTEGER,
    "smallint": Family.INTEGER,
    "numeric": Family.NUMBER,
    "text": Family.TEXT,
    "character varying": Family.TEXT,
    "timestamp with time zone": Family.TIME,
    "date": Family.TIME,
    "boolean": Family.BOOL,
    "uuid": Family.UUID,
    "jsonb": Family.JSON,
    "point": Family.OTHER,
}
DEFAULTS = [None, None, None, "now()", "nextval('s'::regclass)", "gen_random_uuid()", "0"]


@st.composite
def columns(draw: st.DrawFn, position: int) -> ColumnEntry:
    base_type = draw(st.sampled_from(sorted(TYPES)))
    generated = draw(st.booleans()) and draw(st.booleans())
    identity = None if generated else draw(st.sampled_from([None, None, None, *Identity]))
    return ColumnEntry(
        name=f"C{position}",
        quoted=f'"C{position}"',
        position=position,
        type=base_type,
        base_type=base_type,
        family=TYPES[base_type],
        domain=draw(st.booleans()),
        max_length=draw(st.sampled_from([None, 8, 36])) if TYPES[base_type] is Family.TEXT else None,
        nullable=draw(st.booleans()),
        default=None if generated or identity else draw(st.sampled_from(DEFAULTS)),
        identity=identity,
        generated=generated,
    )


@st.composite
def tables(draw: st.DrawFn) -> TableEntry:
    found = tuple(draw(columns(position)) for position in range(1, draw(st.integers(1, 6)) + 1))
    names = st.lists(st.sampled_from([column.name for column in found]), min_size=1, max_size=3, unique=True).map(tuple)
    flags = st.booleans()
    indexes = tuple(
        IndexEntry(
            f"i{number}",
            draw(names),
            unique=draw(flags),
            primary=False,
            exclusion=draw(flags) and draw(flags) and draw(flags),
            ordered=draw(flags) or draw(flags),
            partial=draw(flags) and draw(flags),
            on_expressions=draw(flags) and draw(flags) and draw(flags),
            valid=True,
        )
        for number in range(draw(st.integers(0, 3)))
    )
    partitioning = None
    kind = draw(st.sampled_from(ObjectKind))
    if kind is ObjectKind.PARTITIONED_TABLE:
        strategy = draw(st.sampled_from(PartitionStrategy))
        partitioning = Partitioning(strategy, draw(names), f"{strategy} (…)", has_default=draw(flags))
    rows = draw(st.sampled_from([None, 0, 5, 500, 20_000_000]))
    return TableEntry(
        ObjectEntry("public", "t", "public.t", kind, rows, None, None, None, readable=True),
        found,
        indexes,
        tuple(ForeignKeyEntry(f"f{number}", draw(names), "other") for number in range(draw(st.integers(0, 1)))),
        tuple(CheckEntry(f"k{number}", draw(names)) for number in range(draw(st.integers(0, 1)))),
        partitioning,
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[TableEntry, TableFacts]:
    table = draw(tables())
    has_rows = draw(st.booleans()) or draw(st.booleans())
    names = [column.name for column in table.columns]
    empty = draw(st.frozensets(st.sampled_from(names), max_size=2)) if has_rows else frozenset(names)
    bounds = {name: (1, 500) for name in names if table.column(name).family is Family.INTEGER}
    return table, TableFacts(has_rows, empty, bounds if has_rows else {})


def sources_of(statement: Generated) -> list[dict[str, object]]:
    return [source.model_dump(exclude_defaults=True) for source in statement.params]


def pooled(statement: Generated) -> set[str]:
    """Return the true names of the columns whose values the statement takes from a pool."""
    return {str(source["pool"]).strip('"') for source in sources_of(statement) if "pool" in source}


@settings(max_examples=600, deadline=None)
@given(cases())
def test_whatever_the_catalog_says_every_operation_has_a_sound_statement_or_a_reason(
    case: tuple[TableEntry, TableFacts],
) -> None:
    table, facts = case
    answers = generate(table, facts)

    assert tuple(answer.kind for answer in answers) == CANONICAL
    assert answers == generate(table, facts)
    for answer in answers:
        if isinstance(answer, Refusal):
            assert answer.reason
            continue
        assert answer.reasons
        plain = {"kind": answer.kind.value, "sql": answer.sql, "params": sources_of(answer)}
        assert not [*check_statements("", plain, has_table=True), *check_parameters("", plain)]
        assert not pooled(answer) & facts.empty_columns
        assert not (pooled(answer) and not facts.has_rows)


@settings(max_examples=600, deadline=None)
@given(cases())
def test_writes_keep_away_from_what_they_must_not_touch(case: tuple[TableEntry, TableFacts]) -> None:
    table, facts = case
    answers = {answer.kind: answer for answer in generate(table, facts)}
    insert, update = answers[OperationKind.INSERT], answers[OperationKind.UPDATE]
    if table.object.kind not in (ObjectKind.TABLE, ObjectKind.PARTITIONED_TABLE):
        assert isinstance(insert, Refusal)
        assert isinstance(update, Refusal)
        return
    if isinstance(insert, Generated):
        named = set(re.findall(r'"(C\d)"', insert.sql.partition("VALUES")[0]))
        assert not [name for name in named if table.column(name).generated or table.column(name).identity]
        needed = {c.name for c in table.columns if not (c.nullable or c.generated or c.identity or c.default)}
        assert needed <= named
        for index in table.indexes:
            # All columns from pools would give pairs that are there already.
            assert not (index.unique and set(index.columns) <= pooled(insert))
    if isinstance(update, Generated):
        changed = update.sql.partition('SET "')[2].partition('"')[0]
        column = table.column(changed)
        assert not column.generated
        assert column.identity is None
        assert not any(changed in index.columns for index in table.indexes if index.unique)
        assert not (table.partitioning and changed in table.partitioning.columns)


def test_a_column_that_the_user_vouches_for_serves_reads_alone() -> None:
    column = ColumnEntry("id", "id", 1, "bigint", "bigint", Family.INTEGER, False, None, True, None, None, False)
    view = ObjectEntry("public", "v", "public.v", ObjectKind.VIEW, None, None, None, None, readable=True)
    answers = generate(TableEntry(view, (column,), (), (), (), None), TableFacts(has_rows=True), "id")
    assert [isinstance(answer, Generated) for answer in answers] == [True, True, False, False]
