"""Bad input gets its exit code and a message that says what to do, and leaves nothing half-started behind."""

import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.acceptance.conftest import Database
from tests.acceptance.place import Outcome, Place
from tests.acceptance.scenarios import items_scenario

from upperbound.domain.run_state import TERMINAL
from upperbound.store.tables import VERSION_TABLE

WRONG_PASSWORD = "Wrong-Horse-7731"
OPERATION = "workload.operations.0"


@dataclass(frozen=True)
class Bad:
    """One bad input.

    In arguments and scenarios ``<dead>`` stands for a port that nobody listens on, ``<taken>`` for one that somebody
    does, ``<server>`` and ``<database>`` for the address of the tests' own, and ``<root>`` for the folder of the test.
    """

    name: str
    code: int
    tells: tuple[str, ...]
    """Parts of the message: what is wrong, where, and what to do."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Of a sound scenario."""
    text: str | None = None
    """In place of the scenario."""
    arguments: tuple[str, ...] = ("run", "scenario.yaml")
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Place], None] = lambda place: None

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def newer_store(place: Place) -> None:
    """Make a store and let it say that a later version has written it."""
    assert place.run("store", "init").code == 0
    with sqlite3.connect(place.home / "upperbound.db") as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    connection.close()


def text_as_store(place: Place) -> None:
    """Put a text file where the store should be."""
    place.home.mkdir()
    (place.home / "upperbound.db").write_text("Dear diary, today I met a database.\n" * 100)


def settings_with_a_typo(place: Place) -> None:
    """Misspell a key in the settings file."""
    place.write("upperbound.toml", 'hoem = "/tmp"\n')


def file_as_folder(place: Place) -> None:
    """Put a file where the store's folder should be."""
    (place.root / "occupied").write_text("")


SCENARIO = (
    Bad(
        "unknown key",
        2,
        ("load.treads", "unknown key 'treads'; did you mean 'threads'?", "line"),
        changes={"load.treads": 4},
    ),
    Bad(
        "weights that add up to 99",
        2,
        ("workload.operations", "the weights add up to 99.00, not 100.00", "add 1.00"),
        changes={f"{OPERATION}.weight_pct": 89},
    ),
    Bad(
        "negative duration",
        2,
        ("load.duration_seconds", "must be more than 0, not -5"),
        changes={"load.duration_seconds": -5},
    ),
    Bad(
        "target that nobody knows",
        2,
        ("target.kind", "'oracle' is not known", "use postgres, embedded or snowflake"),
        changes={"target.kind": "oracle"},
    ),
    Bad(
        "load that its bounds do not allow",
        2,
        ("load.threads", "do not fit into at most 1 worker x 1 thread: 1", "raise max_workers to"),
        changes={"scaling": {"mode": "BOUNDED", "max_workers": 1, "max_threads": 1}, "load.threads": 2},
    ),
    Bad(
        "generic SQL that does not say whether it reads",
        2,
        (f"{OPERATION}.operation_type", "is missing", "READ or WRITE"),
        changes={f"{OPERATION}.kind": "GENERIC_SQL"},
    ),
    Bad(
        "two problems at once",
        2,
        ("2 problems", "unknown key 'treads'", "the weights add up to 99.00"),
        changes={"load.treads": 4, f"{OPERATION}.weight_pct": 89},
    ),
    Bad(
        "password as a key",
        2,
        ("target.password", "a scenario holds no password", "PGPASSWORD"),
        changes={"target.password": WRONG_PASSWORD},
    ),
    Bad(
        "YAML that is none", 2, ("is not valid YAML", "line 3"), text="name: Items\ntarget: {kind: postgres\nload: 1\n"
    ),
    Bad("empty file", 2, ("is empty",), text=""),
    Bad(
        "missing file",
        2,
        ("there is no scenario file nowhere.yaml", "built-in scenarios: bulk-loading, demo"),
        arguments=("run", "nowhere.yaml"),
    ),
    Bad(
        "override of an unknown key",
        2,
        ("--set", "unknown key 'duration'", "duration_seconds"),
        arguments=("run", "scenario.yaml", "--set", "load.duration=5"),
    ),
)
"""Found without asking anybody."""

TARGET = (
    Bad(
        "missing table",
        2,
        ("target.table", "there is no table public.itens", "did you mean public.items?"),
        changes={"target.table": "public.itens"},
    ),
    Bad(
        "missing column",
        2,
        (f"{OPERATION}.sql", 'column "nmae" does not exist', "name"),
        changes={f"{OPERATION}.sql": "SELECT nmae FROM {table} WHERE id = $1"},
    ),
    Bad(
        "column of another type than the parameter",
        2,
        (f"{OPERATION}.params.0", "$1 is of type text and cannot take whole numbers", "choice"),
        changes={f"{OPERATION}.sql": "SELECT id FROM {table} WHERE name = $1"},
    ),
    Bad(
        "pool of another type than the parameter",
        2,
        (f"{OPERATION}.params.0", "cannot take every value of column name, which is text"),
        changes={f"{OPERATION}.params": [{"pool": "name"}]},
    ),
    Bad(
        "SQL that is none",
        2,
        (f"{OPERATION}.sql", "syntax error", "SELEC"),
        changes={
            f"{OPERATION}.kind": "GENERIC_SQL",
            f"{OPERATION}.operation_type": "READ",
            f"{OPERATION}.sql": "SELEC $1",
        },
    ),
    Bad(
        "more threads than connections",
        2,
        ("load.threads", "400 threads need a connection each", "max_connections 100", "lower it"),
        changes={"scaling.min_threads": 200},
    ),
    Bad(
        "wrong password",
        3,
        ("refuses the login", "password authentication failed", "PGPASSWORD"),
        environment={"PGPASSWORD": WRONG_PASSWORD},
    ),
    Bad(
        "wrong password in the URL",
        3,
        ("refuses the login", "password authentication failed", "target.url holds a password"),
        changes={"target.url": f"postgresql://postgres:{WRONG_PASSWORD}@<database>"},
    ),
    Bad("no password", 3, ("refuses the login", "set PGPASSWORD"), environment={"PGPASSWORD": ""}),
    Bad(
        "database that is not there",
        3,
        ('database "nowhere" does not exist', "create the database"),
        changes={"target.url": "postgresql://postgres@<server>/nowhere"},
    ),
    Bad(
        "host that takes connections and never answers",
        3,
        ("PostgreSQL at 127.0.0.1:<taken> does not answer within 10 s", "firewalls"),
        changes={"target.url": "postgresql://postgres@127.0.0.1:<taken>/postgres"},
    ),
    Bad(
        "host where nobody listens",
        3,
        ("PostgreSQL at 127.0.0.1:<dead> cannot be reached", "refused"),
        changes={"target.url": "postgresql://postgres@127.0.0.1:<dead>/postgres"},
    ),
)
"""Found by asking the database."""

COMMAND = (
    Bad(
        "summary that cannot be written",
        2,
        ("nowhere/summary.json cannot be written", "there is no folder", "--json"),
        arguments=("run", "scenario.yaml", "--json", "nowhere/summary.json"),
    ),
    Bad("summary onto a folder", 2, ("it is a folder",), arguments=("run", "scenario.yaml", "--json", ".")),
    Bad("unknown option", 2, ("--treads",), arguments=("demo", "--treads", "8")),
    Bad("unknown command", 2, ("dmeo",), arguments=("dmeo",)),
    Bad("no scenario", 2, ("SCENARIO",), arguments=("run",)),
    Bad("no workers", 2, ("--workers", "greater than or equal to 1"), arguments=("demo", "--workers", "0")),
    Bad("no duration", 2, ("duration", "must be more than 0, not -1"), arguments=("demo", "--duration", "-1")),
    Bad(
        "port in use",
        2,
        ("port <taken> on 127.0.0.1 is in use", "choose another port"),
        arguments=("demo", "--port", "<taken>"),
    ),
    Bad(
        "unknown run",
        2,
        ("there is no run '20200101-000000-abcdef'", "runs list"),
        arguments=("runs", "show", "20200101-000000-abcdef"),
    ),
    Bad(
        "worker without a run, whose code 2 would say that its store is away",
        1,
        ("--run-id", "see `upperbound worker --help`"),
        arguments=("worker", "--worker-id", "worker-0"),
    ),
    Bad("unknown run to stop", 2, ("there is no run 'nope'",), arguments=("runs", "stop", "nope")),
    Bad(
        "settings file with an unknown key",
        2,
        ("upperbound.toml", "hoem", "did you mean 'home'?"),
        prepare=settings_with_a_typo,
    ),
)
"""What the command line itself refuses."""

STORE = (
    Bad(
        "store of a newer version",
        2,
        ("has schema revision 9999, which is newer", "upgrade Upperbound"),
        prepare=newer_store,
    ),
    Bad("store that is no database", 3, ("is not a database",), prepare=text_as_store),
    Bad(
        "store in a place that cannot be written",
        3,
        ("cannot be made", "occupied", "UPPERBOUND_HOME"),
        arguments=("run", "scenario.yaml", "--store", "sqlite:///<root>/occupied/upperbound.db"),
        prepare=file_as_folder,
    ),
    Bad("store that is a folder", 3, ("is a folder",), arguments=("runs", "list", "--store", "sqlite:////tmp")),
    Bad("store of no known kind", 2, ("mysql",), arguments=("runs", "list", "--store", "mysql://localhost/x")),
    Bad(
        "store that nobody serves",
        3,
        ("cannot be reached",),
        arguments=("run", "scenario.yaml", "--store", "postgresql://postgres@127.0.0.1:<dead>/postgres"),
    ),
    Bad(
        "store that takes connections and never answers",
        3,
        ("cannot be reached", "timeout", "firewalls"),
        arguments=("run", "scenario.yaml", "--store", "postgresql://postgres@127.0.0.1:<taken>/postgres"),
    ),
    Bad(
        "store without tables",
        2,
        ("has no tables of Upperbound", "upperbound store init"),
        arguments=("run", "scenario.yaml", "--store", "postgresql://postgres@<database>"),
    ),
    Bad(
        "store that refuses the password",
        3,
        ("refuses the login",),
        arguments=("run", "scenario.yaml", "--store", f"postgresql://postgres:{WRONG_PASSWORD}@<database>"),
    ),
)
"""What is wrong with the store."""

ALL = (*SCENARIO, *TARGET, *COMMAND, *STORE)


@pytest.fixture(scope="module")
def taken_port() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def dead_port() -> Iterator[int]:
    """A port that is reserved and not listened on, so that connections are refused."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@pytest.mark.parametrize("bad", ALL, ids=str)
def test_bad_input_is_refused_and_leaves_nothing(
    bad: Bad, place: Place, database: Database, taken_port: int, dead_port: int
) -> None:
    server = f"127.0.0.1:{database.server.port}"
    words = {
        "<dead>": str(dead_port),
        "<taken>": str(taken_port),
        "<server>": server,
        "<database>": f"{server}/{database.name}",
        "<root>": str(place.root),
    }

    def fill(text: str) -> str:
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        return text

    text = items_scenario(database.url, bad.changes) if bad.text is None else bad.text
    place.write("scenario.yaml", fill(text))
    bad.prepare(place)
    files = files_in(place)

    outcome = place.run(
        *(fill(argument) for argument in bad.arguments), environment={**database.environment, **bad.environment}
    )

    assert outcome.code == bad.code, outcome.text
    for part in bad.tells:
        assert fill(part) in outcome.text
    assert "Traceback" not in outcome.text
    assert "this is a defect" not in outcome.text
    assert_nothing_half_started(place, outcome, secrets=(database.password, WRONG_PASSWORD))
    assert files_in(place) - files <= STORE_FILES, "nothing but an empty store may have been made"


STORE_FILES = {"home/upperbound.db", "home/upperbound.db-wal", "home/upperbound.db-shm"}


def files_in(place: Place) -> set[str]:
    """Return the files of a place, without what its commands have printed."""
    paths = (path for path in place.root.rglob("*") if path.is_file() and path.parent != place.root)
    return {str(path.relative_to(place.root)) for path in paths}


def assert_nothing_half_started(place: Place, outcome: Outcome, *, secrets: tuple[str, ...] = ()) -> None:
    """Check that no process, no temporary file and no unfinished run is left, and no secret is shown or stored."""
    assert place.nothing_is_left(), place.leftovers()
    if "newer" not in outcome.text and "not a database" not in outcome.text:
        unfinished = [(run.run_id, run.status) for run in place.runs() if run.status not in TERMINAL]
        assert not unfinished
    for secret in secrets:
        assert secret not in outcome.text
        stored = [path for path in place.files_that_hold(secret) if path.name != "scenario.yaml"]
        assert not stored
