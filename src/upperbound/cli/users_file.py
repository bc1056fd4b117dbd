"""``upperbound users``: who may log in to a controller that others can reach."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from upperbound.api.access.users import UsersFile

app = typer.Typer(help="Keep the users who may log in to `upperbound serve`.", rich_markup_mode=None)

File = Annotated[
    Path | None,
    typer.Option("--file", metavar="PATH", help="The users file. Default: UPPERBOUND_USERS_FILE.", show_default=False),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What the user logs in as.", show_default=False)]
SHORTEST_PASSWORD = 8


@app.command()
def add(name: Name, file: File = None) -> None:
    """Add a user, or give one another password.

    The password is asked for, or read as one line where no terminal is; the file holds a hash of it.
    """
    users = _users(file)
    password = _ask()
    users.add(name, password)
    typer.echo(f"{name} may log in; {users.path} has {len(users.names())} users")


@app.command()
def remove(name: Name, file: File = None) -> None:
    """Remove a user.

    Nobody logs in by that name any more; a session that is open ends with the server, or after twelve hours.
    """
    users = _users(file)
    users.remove(name)
    typer.echo(f"{name} may not log in any more")


@app.command("list")
def list_users(file: File = None) -> None:
    """List the users."""
    for name in _users(file).names():
        typer.echo(name)


def _users(file: Path | None) -> "UsersFile":
    """Return the users file. Raises :class:`ConfigurationError` when none is named."""
    import os

    from upperbound.api.access.policy import USERS_VARIABLE
    from upperbound.api.access.users import UsersFile
    from upperbound.errors import ConfigurationError

    path = file or os.environ.get(USERS_VARIABLE)
    if not path:
        raise ConfigurationError("no users file was named", hint=f"give --file, or set {USERS_VARIABLE}")
    return UsersFile(Path(path))


def _ask() -> str:
    """Return the password. Raises :class:`ConfigurationError` for one that is too short."""
    from upperbound.errors import ConfigurationError

    if sys.stdin.isatty():
        password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    if len(password) < SHORTEST_PASSWORD:
        raise ConfigurationError("the password is too short", hint=f"use at least {SHORTEST_PASSWORD} characters")
    return password
