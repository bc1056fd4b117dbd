"""The command ``upperbound``: its commands, and what becomes of their errors."""

import os
import sys
from typing import Annotated, Any, Final

import typer

from upperbound import __version__
from upperbound.cli import catalog, data, runs, store, template, users_file
from upperbound.cli.config import config
from upperbound.cli.demo import demo
from upperbound.cli.doctor import doctor
from upperbound.cli.exit_codes import ExitCode, exit_code
from upperbound.cli.failures import show
from upperbound.cli.import_pgbench import import_pgbench
from upperbound.cli.run import run
from upperbound.cli.serve import serve
from upperbound.cli.settings import debug_wanted, load_settings
from upperbound.cli.worker import worker
from upperbound.domain.worker_state import WorkerExit
from upperbound.errors import ConfigurationError, UpperboundError

INTERRUPTED: Final = 130
"""What the command-line library returns for Ctrl-C in a command that does not handle it itself."""

app = typer.Typer(
    name="upperbound",
    help="Find out how much concurrent load a database carries, with figures you can trust.",
    epilog="Exit codes: 0 done, 2 usage or configuration, 3 target or store unreachable, 4 run failed, 5 cancelled, "
    "6 an objective missed, 7 figures not valid.",
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    # Plain help: what draws boxes takes longer to load than everything else.
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"upperbound {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors, and the log.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    if debug:
        # By way of the environment, where settings are read and processes that we start look as well.
        os.environ["UPPERBOUND_DEBUG"] = "1"
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(ExitCode.USAGE)


app.command()(demo)
app.command()(run)
app.command()(serve)
app.add_typer(runs.app, name="runs")
app.add_typer(template.app, name="template")
app.command()(import_pgbench)
app.add_typer(catalog.app, name="catalog")
app.add_typer(data.app, name="data")
app.add_typer(store.app, name="store")
app.add_typer(users_file.app, name="users")
app.command()(config)
app.command()(doctor)
app.command()(worker)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has seen enough (the library leaves by SystemExit then), which is no failure. Without
        # this Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.OK
    return int(code)


def _run(arguments: list[str] | None) -> int:
    try:
        result: Any = app(args=arguments, prog_name="upperbound", standalone_mode=False)
    except typer.TyperException as error:
        return _usage(error)
    except UpperboundError as error:
        show(error, debug=_debug())
        return exit_code(error)
    except Exception as error:  # noqa: BLE001 - a defect is told like an error, and its traceback on request
        show(error, debug=_debug())
        return ExitCode.RUN_FAILED
    if result == INTERRUPTED:
        sys.stderr.write("cancelled\n")
        return ExitCode.CANCELLED
    return int(result or ExitCode.OK)


def _usage(error: typer.TyperException) -> int:
    """Print a usage error as any other, and return its exit code; a worker has exit codes of its own."""
    path = getattr(getattr(error, "ctx", None), "command_path", "upperbound")
    show(ConfigurationError(error.format_message(), hint=f"see `{path} --help`"), debug=False)
    return WorkerExit.CONFIGURATION if path == "upperbound worker" else ExitCode.USAGE


def _debug() -> bool:
    """Tell whether a traceback is wanted, also when the settings are what is wrong."""
    try:
        return load_settings().debug
    except ConfigurationError:
        return debug_wanted(os.environ)


if __name__ == "__main__":
    sys.exit(main())
