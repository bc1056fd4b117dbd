"""The control endpoint: how tests set the account up, make it fail and see what it saw."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tests.emulators.snowflake import engine, history, stages
from tests.emulators.snowflake.account import DEFAULT_WAREHOUSE, Account
from tests.emulators.snowflake.transactions import IDLE_ABORT_S

Command = Callable[[Account, dict[str, Any]], Any]


def endpoint(account: Account) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of ``POST /emulator/<command>``; a wrong argument is answered with 400 and the reason."""

    async def handle(request: Request) -> Response:
        command = _COMMANDS.get(request.path_params["command"])
        if command is None:
            return JSONResponse({"error": f"there are the commands {', '.join(sorted(_COMMANDS))}"}, status_code=404)
        given = json.loads(await request.body() or b"{}")
        try:
            return JSONResponse(await run_in_threadpool(command, account, given))
        except (ValueError, TypeError, KeyError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, status_code=400)

    return handle


def _fault(account: Account, given: dict[str, Any]) -> int:
    return account.faults.add(given)


def _clear_faults(account: Account, _given: dict[str, Any]) -> None:
    account.faults.clear()


def _fault_counts(account: Account, _given: dict[str, Any]) -> list[dict[str, int]]:
    return account.faults.counts()


def _warehouse(account: Account, given: dict[str, Any]) -> None:
    name = str(given.pop("name")).upper()
    account.warehouses.set(name, given)


def _user(account: Account, given: dict[str, Any]) -> None:
    account.users.set(str(given.pop("name")), given)


def _settings(account: Account, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if name == "omit_hybrid_below_ms":
            account.history.omit_hybrid_below_ms = float(value)
        elif name == "hybrid_sampled_share":
            account.history.hybrid_sampled_share = float(value)
        elif name == "history_delay_s":
            account.history.history_delay_s = float(value)
        elif name == "history_tells_cache":
            account.history.tells_cache = bool(value)
        elif name == "usage_delay_s":
            account.history.delay_s = float(value)
        elif name == "metering":
            account.metering[:] = value
        elif name == "idle_abort_s":
            account.transactions.idle_abort_s = float(value)
        else:
            known = "omit_hybrid_below_ms, hybrid_sampled_share, history_delay_s, history_tells_cache, usage_delay_s"
            raise ValueError(f"there is no setting {name!r}: {known}, metering, idle_abort_s")


def _expire(account: Account, given: dict[str, Any]) -> int:
    """Let tokens expire: those of all open sessions, or of one."""
    chosen = [session for session in account.sessions.all() if given.get("session_id") in (None, session.session_id)]
    for session in chosen:
        session.token_expired = True
        session.master_expired = bool(given.get("master"))
    return len(chosen)


def _statements(account: Account, given: dict[str, Any]) -> list[dict[str, Any]]:
    database = given.get("database")
    records = account.history.all()
    return [history.describe(record) for record in records if database in (None, record.database_name)]


def _add_history(account: Account, given: dict[str, Any]) -> None:
    """Add records that nobody ran; see ``history.made_up`` for their fields."""
    account.history.add_many([history.made_up(record) for record in given["records"]])


def _logins(account: Account, _given: dict[str, Any]) -> list[dict[str, Any]]:
    return account.sessions.logins


def _counts(account: Account, _given: dict[str, Any]) -> dict[str, int]:
    sessions = account.sessions
    return {
        "most_logging_in": sessions.most_logging_in,
        "most_open": sessions.most_open,
        "open": len(sessions.all()),
        "running": sum(len(session.running) for session in sessions.all()),
    }


def _stage_files(account: Account, _given: dict[str, Any]) -> list[dict[str, Any]]:
    return stages.everything(account)


def _create_database(account: Account, given: dict[str, Any]) -> None:
    name = str(given["name"])
    connection = account.engine.connect(None, None)
    engine.run(connection, f'CREATE DATABASE "{name}"', [[]], is_array=False)
    engine.run(connection, f'CREATE SCHEMA "{name}".PUBLIC', [[]], is_array=False)
    connection.close()


def _drop_database(account: Account, given: dict[str, Any]) -> None:
    """Drop a database with its stages; sessions that are in it are closed, as engine and client would hold it."""
    name = str(given["name"])
    for session in account.sessions.all():
        if session.engine.database == name:
            account.sessions.close(session)
            account.transactions.roll_back(session)
            session.engine.close()
    stages.forget(account, name)
    account.catalog.forget(name)
    account.engine.query(f'DETACH "{name}"')


def _reset(account: Account, _given: dict[str, Any]) -> None:
    """Forget faults, counts, logins, statements, users and warehouses, and undo settings; databases stay."""
    account.faults.clear()
    account.users.reset()
    account.warehouses.reset()
    account.warehouses.set(DEFAULT_WAREHOUSE, {})
    account.history.clear()
    account.metering.clear()
    account.transactions.idle_abort_s = IDLE_ABORT_S
    account.sessions.forget()


_COMMANDS: dict[str, Command] = {
    "fault": _fault,
    "clear-faults": _clear_faults,
    "fault-counts": _fault_counts,
    "warehouse": _warehouse,
    "user": _user,
    "settings": _settings,
    "expire": _expire,
    "statements": _statements,
    "add-history": _add_history,
    "logins": _logins,
    "counts": _counts,
    "stage-files": _stage_files,
    "create-database": _create_database,
    "drop-database": _drop_database,
    "reset": _reset,
}
