"""Several scripts make one mix: their weights, what they share, and what is said of them."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upperbound.errors import Problem, ScenarioError
from upperbound.scenario.kinds import Isolation, OperationType
from upperbound.scenario.loader import parse_scenario
from upperbound.scenario.model import Operation
from upperbound.scenario.pgbench.importer import Imported, ScriptFile, import_scripts
from upperbound.scenario.yaml_text import scenario_yaml


def script(text: str, name: str = "one.sql", weight: int = 1) -> ScriptFile:
    return ScriptFile(name, name.removesuffix(".sql"), text, weight)


def one(text: str, scale: int | None = None, defines: Mapping[str, str] | None = None) -> Operation:
    """Return the only operation of a script."""
    (operation,) = import_scripts([script(text)], scale=scale, defines=defines).scenario.workload.operations
    return operation


def problems(*files: ScriptFile, defines: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return place and message of all that is wrong with scripts."""
    with pytest.raises(ScenarioError) as caught:
        import_scripts(files, defines=defines)
    return [(problem.where, problem.message) for problem in caught.value.problems]


def weights(imported: Imported) -> list[str]:
    return [str(operation.weight_pct) for operation in imported.scenario.workload.operations]


def test_weights_become_shares_of_a_hundred() -> None:
    files = [script("SELECT 1", "a.sql", 3), script("SELECT 2", "b.sql"), script("SELECT 3", "c.sql", 0)]
    imported = import_scripts(files)
    assert weights(imported) == ["75.00", "25.00", "0.00"]
    assert imported.notes == ("c.sql has weight 0 and will not run",)
    assert weights(import_scripts([script("SELECT 1", name) for name in ("a.sql", "b.sql", "c.sql")])) == [
        "33.34",
        "33.33",
        "33.33",
    ]


@settings(deadline=None)
@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=12))
def test_the_shares_of_any_weights_add_up_to_a_hundred_each_within_a_hundredth(parts: list[int]) -> None:
    files = [script("SELECT 1", f"{number}.sql", weight) for number, weight in enumerate(parts)]
    if any(weight * 10_000 < sum(parts) for weight in parts):
        return
    found = [float(weight) for weight in weights(import_scripts(files))]
    assert sum(found) == pytest.approx(100)
    assert found == pytest.approx([100 * weight / sum(parts) for weight in parts], abs=0.01)


def test_what_is_chosen_too_seldom_is_named_and_so_is_a_mix_of_nothing() -> None:
    rare = problems(script("SELECT 1", "a.sql", 100_000), script("\nSELECT 2", "b.sql"))
    assert rare == [("b.sql:2", "is 0.0010% of the mix, and the smallest share is 0.01 %")]
    assert problems(script("SELECT 1", weight=0)) == []
    assert problems(script("-- nothing\n")) == [("one.sql", "holds no command")]
    assert problems(script("\\set a 1\n")) == [
        ("one.sql", "sends no statement here, and an operation has at least one")
    ]


def test_files_of_one_name_keep_apart_and_the_scenario_is_called_after_them() -> None:
    imported = import_scripts(
        [script("SELECT 1", f"{folder}/x.sql") for folder in "ab"] + [script("SELECT 1", "y.sql")]
    )
    labels = [operation.label for operation in imported.scenario.workload.operations]
    assert labels == ["a/x", "b/x", "y"]
    assert imported.scenario.name == "pgbench a/x, b/x, y"
    twins = import_scripts([script("SELECT 1"), script("SELECT 2")], name="Twins")
    assert [operation.label for operation in twins.scenario.workload.operations] == ["one 1", "one 2"]
    assert twins.scenario.name == "Twins"


def test_a_name_that_is_none_is_refused_as_anywhere() -> None:
    with pytest.raises(ScenarioError) as caught:
        import_scripts([script("SELECT 1")], name="\n")
    assert [problem.where for problem in caught.value.problems] == ["name"]


def test_a_script_is_a_transaction_or_statements_or_one_statement() -> None:
    transaction = one("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; END")
    assert transaction.is_transaction
    assert transaction.isolation is Isolation.REPEATABLE_READ
    assert transaction.texts == ("SELECT 1",)
    several = one("SELECT 1; SELECT 2;")
    assert several.autocommit
    assert several.texts == ("SELECT 1", "SELECT 2")
    assert one("SELECT 1;").sql == "SELECT 1"


@pytest.mark.parametrize(
    ("begin", "isolation"),
    [
        ("BEGIN", None),
        ("BEGIN WORK", None),
        ("start transaction read write", None),
        ("BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED", Isolation.READ_COMMITTED),
        ("BEGIN ISOLATION LEVEL READ UNCOMMITTED, NOT DEFERRABLE", Isolation.READ_COMMITTED),
        ("BEGIN READ WRITE, ISOLATION LEVEL SERIALIZABLE", Isolation.SERIALIZABLE),
    ],
)
@pytest.mark.parametrize("end", ["END", "COMMIT", "COMMIT TRANSACTION", "end work", "COMMIT AND NO CHAIN"])
def test_a_transaction_begins_and_ends_in_all_the_words_there_are(
    begin: str, isolation: Isolation | None, end: str
) -> None:
    operation = one(f"{begin};\nSELECT 1;\n{end};")
    assert operation.is_transaction
    assert operation.isolation is isolation


@pytest.mark.parametrize(
    ("sql", "writes"),
    [
        ("SELECT 1", False),
        ("TABLE t", False),
        ("VALUES (1)", False),
        ("WITH x AS (SELECT 1) SELECT * FROM x", False),
        ("SET LOCAL work_mem = '1MB'", False),
        ('SELECT "update" FROM t', False),
        ("SELECT 'DELETE' -- INSERT", False),
        ("INSERT INTO t VALUES (1)", True),
        ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", True),
        ("SELECT * FROM t FOR UPDATE", True),
        ("SELECT * FROM t FOR NO KEY UPDATE", True),
        ("SELECT * FROM t FOR KEY SHARE", True),
        ("SELECT * INTO TEMP x FROM t", True),
        ("EXPLAIN ANALYZE UPDATE t SET a = 1", True),
        ("CALL p()", True),
        ("DO $$ BEGIN END $$", True),
        ("VACUUM t", True),
        ("LOCK TABLE t", True),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", True),
    ],
)
def test_statements_read_unless_they_may_write(sql: str, writes: bool) -> None:
    wanted = OperationType.WRITE if writes else OperationType.READ
    assert one(sql).operation_type is wanted
    assert one(f"SELECT 1; {sql}").operation_type is wanted


def test_variables_are_replaced_where_the_server_sees_them_and_nowhere_else() -> None:
    text = (
        "\\set a random(1, 9)\n\\set B 5\nSELECT :a::int, :a + :B, x[1:2], y[:B:3], '10:30', :a /* :a */ -- :a\n, t.a"
    )
    operation = one(text)
    assert operation.sql == "SELECT $1::int, $1 + 5, x[1:2], y[5:3], '10:30', $1 /* :a */ -- :a\n, t.a"


def test_the_value_of_a_variable_is_the_one_it_has_where_it_stands() -> None:
    operation = one("\\set a random(1, 9)\nSELECT :a;\n\\set b :a\n\\set a random(10, 19)\nSELECT :a, :b;")
    assert operation.texts == ("SELECT $1", "SELECT $2, $1")
    assert [param.model_dump() for param in operation.params] == [{"range": (1, 9)}, {"range": (10, 19)}]


def test_given_variables_are_written_as_they_are_given() -> None:
    operation = one(
        "\\set half :rows / 2\nSELECT * FROM :table LIMIT :half OFFSET :scale + :off - :neg",
        scale=7,
        defines={"rows": "1001", "table": 'x."Y"', "off": "1e2", "neg": "-3"},
    )
    assert operation.sql == 'SELECT * FROM x."Y" LIMIT 500 OFFSET 7 + 1e2 - -3'
    assert one("SELECT :scale", scale=7, defines={"scale": "9"}).sql == "SELECT 9"
    assert one("\\if :fast\nSELECT 1;\n\\else\nSELECT 2;\n\\endif", defines={"fast": "on"}).sql == "SELECT 1"
    assert one("SELECT :client_id, :default_seed", defines={"client_id": "0", "default_seed": "1"}).sql == "SELECT 0, 1"


def test_a_given_text_has_no_value_in_an_expression() -> None:
    found = problems(script("\\set a :t + 1\nSELECT :a"), defines={"t": "x"})
    assert found == [("one.sql:1", "\\set a: :t is 'x', which is no number")]


def test_what_a_variable_keeps_from_another_transaction_is_refused_across_scripts() -> None:
    sets, reads = script("\\set a random(1, 9)\nSELECT :a", "sets.sql"), script("SELECT :a", "reads.sql")
    said = ":a is read before it is set, so it keeps its value from one transaction to the next"
    assert problems(sets, reads) == [("reads.sql:1", said)]
    assert problems(sets, reads, defines={"a": "5"}) == [("reads.sql:1", said)]
    assert problems(script("\\set r random(1, 2)\n\\if :r = 1\n\\set a 1\n\\endif\nSELECT :a")) == [("one.sql:5", said)]


def test_one_fault_is_named_once_and_what_follows_from_it_is_not() -> None:
    text = "\\set a 1 / 0\n\\set b :a + 1\n\\if :b > 1\nSELECT :b;\n\\else\nSELECT :a, :c;\n\\endif\n"
    assert [where for where, _ in problems(script(text))] == ["one.sql:1", "one.sql:6"]


def test_branches_that_are_never_taken_do_not_matter() -> None:
    text = "\\set r random(1, 9)\n\\if :r > 9\n\\shell x\n\\elif :r < 10\nSELECT 1;\n\\else\nCOPY t TO STDOUT;\n\\endif"
    assert one(text).sql == "SELECT 1"


def test_a_random_choice_makes_an_operation_of_each_way() -> None:
    text = "\\set r random(1, 4)\n\\if :r = 1\nSELECT 1;\n\\elif :r = 2\nSELECT 2;\n\\else\nSELECT 3;\n\\endif"
    files = [script(text, "a.sql", 4), script("SELECT 4", "b.sql")]
    imported = import_scripts(files)
    assert weights(imported) == ["20.00", "20.00", "40.00", "20.00"]
    assert [operation.sql for operation in imported.scenario.workload.operations] == [
        f"SELECT {number}" for number in (1, 2, 3, 4)
    ]


def test_more_ways_than_make_sense_are_refused() -> None:
    text = "".join(f"\\set r{n} random(0, 1)\n\\if :r{n} = 1\nSELECT {n};\n\\endif\n" for n in range(8)) + "SELECT 9;"
    assert "make more than 50 ways" in problems(script(text))[0][1]


def test_pauses_become_time_to_think_when_every_transaction_has_the_same() -> None:
    after, before = (
        script("SELECT 1;\n\\sleep 2 ms", "a.sql"),
        script("\\sleep 2000us\nBEGIN;\nSELECT 1;\nEND;", "b.sql"),
    )
    assert import_scripts([after, before]).scenario.load.think_time_ms == 2
    assert "think_time_ms: 2" in import_scripts([after]).notes[0]
    differ = problems(after, script("SELECT 1;", "b.sql"))
    assert [where for where, _ in differ] == ["a.sql:2"]
    assert "some of the transactions only" in differ[0][1]


@pytest.mark.parametrize(("pause", "ms"), [(":p ms", 2), ("3000us", 3), ("1", 1000), (":q s", 0)])
def test_a_pause_is_as_long_as_pgbench_makes_it(pause: str, ms: float) -> None:
    text = f"\\set p 2.7\n\\set q -5\nSELECT 1;\n\\sleep {pause}\n"
    assert import_scripts([script(text)]).scenario.load.think_time_ms == ms


def test_lines_may_end_as_on_windows_and_go_on_after_a_backslash() -> None:
    operation = one("\\set a random(1, \\\r\n 9)\r\n\\set b :a\\\r\n+ 1\r\nSELECT :b,\r\n 1;\r\n")
    assert operation.sql == "SELECT $1,\r\n 1"
    assert [param.model_dump() for param in operation.params] == [{"range": (2, 10)}]


def test_an_imported_scenario_reads_back_from_its_file() -> None:
    imported = import_scripts([script("\\set a random(1, 9)\nBEGIN;\nSELECT :a,\n  '{x}';\nSELECT 2;\nEND;")])
    assert parse_scenario(scenario_yaml(imported.scenario)).scenario == imported.scenario
    assert imported.parameters == {"one": ("a",)}


def test_problems_of_the_scenario_are_told_of_the_script() -> None:
    imported = import_scripts([script("\\set a random(1, 9)\nBEGIN;\nSELECT '{x}',\n  :a;\nSELECT 2;\nEND;")])
    told = [
        imported.in_script(Problem(where, "one: $1 is of type text, unlike $10", "hint"))
        for where in ("workload.operations.0.statements.1", "workload.operations.0.params.0", "load.threads")
    ]
    assert told == [
        Problem("one.sql:5", "one: $1 is of type text, unlike $10", "hint"),
        Problem(
            "one.sql:4",
            "one: :a is of type text, unlike $10",
            "write its type into the script where it stands: :a::int",
        ),
        Problem("load.threads", "one: $1 is of type text, unlike $10", "hint"),
    ]


def test_what_the_scenario_itself_refuses_is_named_by_its_line() -> None:
    many = "\n".join(["SELECT 1;"] * 101)
    assert problems(script(many)) == [("one.sql:1", "must have at most 100 entries")]


@settings(deadline=None)
@given(st.text(alphabet="\\set aif random(1,9):x;'\"$-/*\n{}BEGINEDSLCT", max_size=60))
def test_any_text_is_imported_or_refused_with_the_reason(text: str) -> None:
    try:
        import_scripts([script(text)])
    except ScenarioError as error:
        refused = error
    else:
        return
    assert refused.problems
    assert all(problem.message for problem in refused.problems)
