"""``upperbound import-pgbench``: script files of pgbench into a template or a scenario file."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from upperbound.cli.options import Store
from upperbound.cli.subject import Url, open_subject
from upperbound.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from upperbound.scenario.pgbench.importer import Imported, ScriptFile
    from upperbound.targets.postgres import ConnInfo

_STDIN: Final = "-"
_BYTES_MAX: Final = 1 << 20
_WEIGHT_MAX: Final = 2**31 - 1


def import_pgbench(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…",
            help="Script files; FILE@3 is chosen three times as often as FILE, and - is standard input.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="What the scenario is called. Default: after the files."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="Write a scenario file, in place of a template.", show_default=False
        ),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(
            "--scale", "-s", metavar="N", min=1, help="The value of :scale. Default: 1, as pgbench -f has it."
        ),
    ] = None,
    define: Annotated[
        list[str] | None,
        typer.Option("--define", "-D", metavar="NAME=VALUE", help="Give a variable a value.", show_default=False),
    ] = None,
    url: Url = None,
    store: Store = None,
) -> None:
    """Turn script files of pgbench into a scenario.

    Each script becomes an operation with the same statements and the same random numbers, in the same proportion. What
    has no equivalent is named by file and line, all of it at once, and nothing is imported then. With --url the server
    prepares every statement, and the scenario has it as its target; nothing is executed.
    """
    from upperbound.scenario.pgbench.importer import URL, import_scripts

    scripts, defines = read_arguments(files, define or ())
    with ExitStack() as stack:
        subject = stack.enter_context(open_subject(url, None, "import")) if url is not None else None
        target = URL if subject is None else str(subject.target["url"])
        imported = import_scripts(scripts, name=name, scale=scale, defines=defines, url=target)
        warnings = () if subject is None else _checked(imported, subject.postgres)
    for note in imported.notes:
        typer.echo(f"note: {note}", err=True)
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    if output is not None:
        from upperbound.cli.template_text import write_text

        write_text(output, scenario_text(imported, scripts, scale, defines))
        typer.echo(str(output))
        return
    typer.echo(_kept(imported, files, store))


def read_arguments(files: Sequence[str], defines: Sequence[str]) -> "tuple[list[ScriptFile], dict[str, str]]":
    """Return the scripts of ``FILE`` or ``FILE@WEIGHT``, and variables by their names, of ``NAME=VALUE``.

    Of a variable that is given twice the last value counts.

    Raises:
        ConfigurationError: a file cannot be read, a weight is no number, or a variable has no name; it carries every
            problem.
    """
    from upperbound.scenario.pgbench.variables import is_name

    problems: list[Problem] = []
    scripts = [script for argument in files if (script := _read_script(argument, problems)) is not None]
    split = [(text, *text.partition("=")) for text in defines]
    problems += [
        Problem(f"-D {text}", "is not NAME=VALUE with a name that pgbench allows", "write -D rows=1000")
        for text, variable, sign, _ in split
        if not sign or not is_name(variable)
    ]
    if problems:
        raise ConfigurationError("nothing was imported", problems=problems)
    return scripts, {variable: value for _, variable, _, value in split}


def scenario_text(
    imported: "Imported", scripts: "Sequence[ScriptFile]", scale: int | None, defines: Mapping[str, str]
) -> str:
    """Return an imported scenario as YAML, with where it comes from above it."""
    from upperbound.scenario.yaml_text import scenario_yaml

    names = [script.name + ("" if script.weight == 1 else f"@{script.weight}") for script in scripts]
    given = [f"-D {name}={value}" for name, value in defines.items()]
    said = [*([f"--scale {scale}"] if scale is not None else []), *given]
    lines = [f"Imported from script files of pgbench: {', '.join(names)}{' with ' if said else ''}{' '.join(said)}."]
    for operation, variables in imported.parameters.items():
        if variables:
            meanings = ", ".join(f"${number} :{variable}" for number, variable in enumerate(variables, start=1))
            lines.append(f"Of {operation}, {meanings}.")
    comments = "".join(f"# {_printable(line)}\n" for line in lines)
    return comments + scenario_yaml(imported.scenario)


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in line)


def _read_script(argument: str, problems: list[Problem]) -> "ScriptFile | None":
    """Return the script of one argument; None after adding to ``problems``."""
    from upperbound.scenario.pgbench.importer import ScriptFile

    name, sign, digits = argument.rpartition("@") if "@" in argument else (argument, "", "1")
    if not digits.isdecimal() or not digits.isascii() or int(digits) > _WEIGHT_MAX:
        hint = "write FILE@3, or ./link without an @ for a file whose name has one"
        problems.append(Problem(argument, f"{sign}{digits} is not a weight", hint))
        return None
    try:
        content = sys.stdin.buffer.read(_BYTES_MAX + 1) if name == _STDIN else _content(Path(name))
    except OSError as error:
        problems.append(Problem(name, f"cannot be read: {error.strerror or error}"))
        return None
    if len(content) > _BYTES_MAX:
        problems.append(Problem(name, f"is larger than {_BYTES_MAX} bytes", "a script is a short text file"))
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        problems.append(Problem(name, "is not UTF-8 text", "convert it, as with iconv -t UTF-8"))
        return None
    return ScriptFile("stdin" if name == _STDIN else name, _title(name), text, int(digits))


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_BYTES_MAX + 1)


def _title(name: str) -> str:
    """Return what the operation of a file is called."""
    return "script" if name == _STDIN else _printable(Path(name).stem).strip() or "script"


def _checked(imported: "Imported", target: "ConnInfo") -> tuple[str, ...]:
    """Let the server prepare every statement, and return its warnings.

    Raises:
        TargetMismatch: some do not fit the database; each is named by file and line.
    """
    from upperbound.errors import TargetMismatch
    from upperbound.targets.postgres import preflight

    try:
        # Whether the server has room for the load is asked when it runs: here one connection is enough.
        return preflight(target, imported.scenario, 1).warnings
    except TargetMismatch as error:
        problems = [imported.in_script(problem) for problem in error.problems]
        raise TargetMismatch(f"nothing was imported: {error.message}", problems=problems) from None


def _kept(imported: "Imported", files: Sequence[str], store: str | None) -> str:
    """Keep the scenario as a template and return what was done."""
    from upperbound.cli.settings import load_settings
    from upperbound.cli.template_import import say
    from upperbound.cli.users import user_name
    from upperbound.store.engine import open_store
    from upperbound.store.library import keep

    note = f"imported from pgbench {' '.join(files)}"
    with open_store(load_settings(store=store).store_url) as opened:
        return say(keep(opened.templates, imported.scenario, saved_by=user_name(), note=note))
