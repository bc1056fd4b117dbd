"""What the import reckons with is what pgbench does: its arithmetic, its refusals and its random numbers."""

import math
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from upperbound.scenario.builtins import load_builtin
from upperbound.scenario.model import Scenario
from upperbound.scenario.pgbench.draws import Draw
from upperbound.scenario.pgbench.evaluation import evaluate
from upperbound.scenario.pgbench.expressions import Value, parse_expression
from upperbound.scenario.pgbench.fault import ExpressionError
from upperbound.scenario.pgbench.importer import ScriptFile, import_scripts
from upperbound.scenario.statements import render_all
from upperbound.targets.embedded.binaries import find_binaries
from upperbound.targets.embedded.server import EmbeddedServer

Pgbench = Callable[..., subprocess.CompletedProcess[str]]
DEBUG = re.compile(r"^debug\(script=0,command=(\d+)\): (.*)$", re.MULTILINE)
CHI_SQUARE_9_9999 = 33.7
"""Of 9 degrees of freedom: one in 10,000 is above it."""
DRAWS = 5_000

NUMBERS = st.one_of(
    st.integers(-9, 9),
    st.sampled_from([2**31, -(2**63) + 1, 2**63 - 1, 100_000]),
    st.sampled_from([0.5, 2.0, 1e3, 2.5e-3, 3.5]),
).map(lambda number: f"({number})" if number < 0 else str(number))
LEAVES = NUMBERS | st.sampled_from(["true", "false", "null", "pi()"])
BINARY = ["+", "-", "*", "/", "%", "=", "<>", "!=", "<", "<=", ">", ">=", "&", "|", "#", "<<", ">>", "and", "or"]
FUNCTIONS = ["abs", "int", "double", "sqrt", "ln", "exp", "least", "greatest", "mod", "pow", "debug"]


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    return st.one_of(
        st.builds("{0[0]} {1} {0[1]}".format, two, st.sampled_from(BINARY)),
        st.builds("({0[0]} {1} {0[1]})".format, two, st.sampled_from(BINARY[:10])),
        st.builds("{0} {1}".format, st.sampled_from(["-", "+", "~", "not"]), inner),
        st.builds("{0} {1}".format, inner, st.sampled_from(["is null", "is not true", "notnull", "isnull"])),
        st.builds("{1}({0})".format, inner, st.sampled_from(FUNCTIONS[:6])),
        st.builds("{1}({0[0]}, {0[1]})".format, two, st.sampled_from(FUNCTIONS[6:-1])),
        st.builds("case when {0} then {1[0]} else {1[1]} end".format, inner, two),
    )


EXPRESSIONS = st.recursive(LEAVES, _grown, max_leaves=8)


@pytest.fixture(scope="module")
def pgbench(embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Pgbench:
    """Run a script with pgbench, by one client."""
    script = tmp_path_factory.mktemp("pgbench") / "script.sql"

    def run(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        script.write_text(text, encoding="utf-8")
        program = find_binaries().program("pgbench")
        command = [str(program), "-n", "-f", str(script), *arguments, embedded_server.url_with_password()]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    return run


def shown(value: Value) -> str:
    """Return a value as pgbench's ``debug`` shows it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean {str(value).lower()}"
    if isinstance(value, float):
        words = {math.inf: "Infinity", -math.inf: "-Infinity"}
        return "double NaN" if math.isnan(value) else f"double {words.get(value, f'{value:.15g}')}"
    return f"int {value}"


def computed(text: str) -> Value | ExpressionError:
    try:
        return evaluate(parse_expression(text))
    except ExpressionError as error:
        return error


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(EXPRESSIONS, min_size=20, max_size=60, unique=True))
def test_expressions_have_the_values_that_pgbench_computes(pgbench: Pgbench, texts: list[str]) -> None:
    results = {text: computed(text) for text in texts}
    values = {text: value for text, value in results.items() if not isinstance(value, ExpressionError)}
    if values:
        said = pgbench("".join(f"\\set v debug({text})\n" for text in values), "-t", "1")
        assert said.returncode == 0, said.stderr
        theirs = [found for _, found in DEBUG.findall(said.stderr)]
        assert dict(zip(values, theirs, strict=True)) == {text: shown(value) for text, value in values.items()}
    # Each refusal ends pgbench, so that it takes a run: the first one stands for them. Not one of abs, which reads a
    # truth value as whatever number its bits make there.
    wrong = [text for text, value in results.items() if isinstance(value, ExpressionError) and "abs(" not in text]
    refused = next(iter(wrong), None)
    if refused is not None:
        assert pgbench(f"\\set v {refused}\n", "-t", "1").returncode != 0, refused


@pytest.mark.parametrize(
    ("function", "parameter"),
    [
        ("random", 0.0),
        ("random_zipfian", 1.5),
        ("random_zipfian", 2.5),
        ("random_gaussian", 2.0),
        ("random_gaussian", 3.5),
        ("random_exponential", 0.5),
        ("random_exponential", 4.0),
    ],
)
def test_random_numbers_are_as_likely_as_those_that_pgbench_draws(
    pgbench: Pgbench, function: str, parameter: float
) -> None:
    arguments = "11, 20" if function == "random" else f"11, 20, {parameter}"
    said = pgbench(f"\\set v debug({function}({arguments}))\n", "-t", str(DRAWS), "--random-seed=5")
    counts = Counter(int(found.removeprefix("int ")) for _, found in DEBUG.findall(said.stderr))
    assert counts.total() == DRAWS, said.stderr
    weights = Draw(function, 11, 20, parameter).weights()
    expected = [DRAWS * weight / sum(weights) for weight in weights]
    seen = [counts[value] for value in range(11, 21)]
    assert chi_square(seen, expected) < CHI_SQUARE_9_9999
    assert sum(seen) == DRAWS, "nothing lies outside of the range"


def chi_square(seen: Sequence[int], expected: Sequence[float]) -> float:
    return sum((one - other) ** 2 / other for one, other in zip(seen, expected, strict=True))


@pytest.mark.parametrize("scale", [1, 10])
def test_the_built_in_scenario_is_pgbenchs_own_script(scale: int) -> None:
    done = subprocess.run(
        [str(find_binaries().program("pgbench")), "--show-script=tpcb-like"], capture_output=True, text=True, check=True
    )
    script = ScriptFile("tpcb-like.sql", "tpcb-like", done.stdout + done.stderr)
    ranges = {0: 100_000 * scale, 1: scale, 2: 10 * scale}
    settings = [f"workload.operations.0.params.{place}.range=[1,{high}]" for place, high in ranges.items()]

    theirs = import_scripts([script], scale=scale).scenario
    ours = load_builtin("tpcb-like", settings).scenario

    assert values_in(ours) == values_in(theirs)
    assert ours.workload.operations[0].is_transaction
    assert theirs.workload.operations[0].is_transaction


def values_in(scenario: Scenario) -> list[str]:
    """Return the statements that are sent for the only operation, with the source of each value in its place."""
    (operation,) = scenario.workload.operations
    texts = []
    for rendered in render_all(operation, scenario.target.table):
        sources = [operation.params[place].model_dump_json() for place in rendered.parameters]
        text = rendered.text.replace('"public"."pgbench_accounts"', "pgbench_accounts")
        for number, source in reversed(list(enumerate(sources, start=1))):
            text = text.replace(f"${number}", source)
        texts.append(text)
    return texts
