"""Stages: where clients upload files, and the commands that list and remove them."""

import re
import shutil
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from fakesnow.transforms import stage as fake_stage
from sqlglot import exp
from tests.emulators.snowflake.account import Account
from tests.emulators.snowflake.catalog import Name, qualified
from tests.emulators.snowflake.commands import (
    StageCommand,
)
from tests.emulators.snowflake.errors import OBJECT_MISSING, UNSUPPORTED, SqlError
from tests.emulators.snowflake.results import Result, result_of, status
from tests.emulators.snowflake.sessions import Session
from tests.emulators.snowflake.statements import read_stage

_STAGES = "_fs_global._fs_information_schema._fs_stages"
UPLOAD_PATH = "/stage-files"
# The client sends these headers only where the address says that they may be sent.
_HEADERS = ("host", "x-goog-if-generation-match", "x-goog-meta-sfc-digest", "x-goog-meta-encryptiondata")
_SIGNED = "?X-Goog-SignedHeaders=" + "%3B".join((*_HEADERS, "x-goog-meta-matdesc"))


def put(account: Account, session: Session, command: exp.Put, values: list[Any], base_url: str) -> Result:
    """PUT: tell the client where to upload its files to, which is this emulator."""
    location = command.args["target"].name
    name, path = known_stage(account, session, str(values[0]) if location == "?" else location)
    options = {
        str(option.this.name).upper(): str(option.args["value"].this) if option.args.get("value") else ""
        for option in (command.args.get("properties") or exp.Properties()).expressions
    }
    source = str(command.this.name).removeprefix("file://")
    if "*" in source or "?" in source:
        raise SqlError(*UNSUPPORTED, f"Unsupported feature 'PUT of {source}': the emulator takes one file at a time.")
    folder = "/".join(quote(part, safe="") for part in (".".join(name), *filter(None, path.split("/"))))
    transfer: dict[str, Any] = {
        "command": "UPLOAD",
        "src_locations": [source],
        "parallel": int(options.get("PARALLEL") or 4),
        "autoCompress": options.get("AUTO_COMPRESS", "TRUE").upper() != "FALSE",
        "overwrite": options.get("OVERWRITE", "FALSE").upper() == "TRUE",
        "sourceCompression": str(options.get("SOURCE_COMPRESSION") or "auto_detect").lower(),
        "encryptionMaterial": [],
        "stageInfo": {
            "locationType": "GCS",
            "location": f"{'.'.join(name)}/{path}".rstrip("/") + "/",
            "path": path,
            "region": "us-central1",
            "storageAccount": None,
            "isClientSideEncrypted": False,
            "endPoint": None,
            "creds": {},
            "presignedUrl": f"{base_url}{UPLOAD_PATH}/{folder}/{quote(Path(source).name, safe='')}{_SIGNED}",
        },
    }
    return Result(result_of([], []).table, [], transfer=transfer)


def store(path: str, body: bytes, *, only_new: bool) -> int:
    """Store an upload and return the HTTP status; ``path`` is what follows :data:`UPLOAD_PATH`."""
    target = _target(path)
    if target is None:
        return 400
    if only_new and target.exists():
        return 412
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(body)
    return 200


def has(path: str) -> bool:
    """Tell whether there is a file; ``path`` is what follows :data:`UPLOAD_PATH`."""
    target = _target(path)
    return target is not None and target.is_file()


def _target(path: str) -> Path | None:
    root = Path(fake_stage.LOCAL_BUCKET_PATH).resolve()
    stage, _, rest = path.partition("/")
    database, schema, name = unquote(stage).split(".", 2)
    target = (_folder((database, schema, name)) / unquote(rest)).resolve()
    return target if target.is_relative_to(root) else None


def run(account: Account, session: Session, command: StageCommand) -> Result:
    """DROP STAGE, REMOVE and LIST."""
    if command.what == "DROP":
        return _drop(account, session, command)
    location = ".".join(f'"{part}"' for part in command.stage)
    name, _ = known_stage(account, session, f"@{location}")
    found = [
        (relative, file)
        for relative, file in files(name)
        if relative.startswith(command.path) and (not command.pattern or re.fullmatch(command.pattern, relative))
    ]
    if command.what == "LIST":
        return _listing(name, found)
    for _, file in found:
        file.unlink()
    rows = [[f"{name[2].lower()}/{relative}", "removed"] for relative, _ in found]
    return result_of([("name", "VARCHAR"), ("result", "VARCHAR")], rows)


def files(name: Name) -> list[tuple[str, Path]]:
    """Return the files of a stage, each with its path in the stage, in order."""
    folder = _folder(name)
    found = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    return sorted((path.relative_to(folder).as_posix(), path) for path in found)


def everything(account: Account) -> list[dict[str, Any]]:
    """Return all files of all stages, for tests."""
    rows = account.engine.query(f"SELECT database_name, schema_name, name FROM {_STAGES}")
    return [
        {"stage": ".".join(name), "path": relative, "size_bytes": path.stat().st_size}
        for name in sorted((str(row[0]), str(row[1]), str(row[2])) for row in rows)
        for relative, path in files(name)
    ]


def forget(account: Account, *prefix: str) -> None:
    """Drop the stages of a database or schema, with their files."""
    columns = ("database_name", "schema_name", "name")[: len(prefix)]
    where = " AND ".join(f"{column} = ?" for column in columns)
    for row in account.engine.query(f"SELECT database_name, schema_name, name FROM {_STAGES} WHERE {where}", prefix):
        shutil.rmtree(_folder((str(row[0]), str(row[1]), str(row[2]))), ignore_errors=True)
    account.engine.query(f"DELETE FROM {_STAGES} WHERE {where}", prefix)


def _drop(account: Account, session: Session, command: StageCommand) -> Result:
    name = qualified(command.stage, session.engine.database, session.engine.schema)
    if not _exists(account, name):
        if command.if_exists:
            return status(f"Drop statement executed successfully ({name[2]} already dropped).")
        raise _missing(name)
    forget(account, *name)
    return status(f"{name[2]} successfully dropped.")


def _listing(name: Name, found: list[tuple[str, Path]]) -> Result:
    rows = []
    for relative, path in found:
        facts = path.stat()
        modified = format_datetime(datetime.fromtimestamp(facts.st_mtime, UTC), usegmt=True)
        digest = md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        rows.append([f"{name[2].lower()}/{relative}", facts.st_size, digest, modified])
    columns = [("name", "VARCHAR"), ("size", "BIGINT"), ("md5", "VARCHAR"), ("last_modified", "VARCHAR")]
    return result_of(columns, rows)


def known_stage(account: Account, session: Session, location: str) -> tuple[Name, str]:
    """Return the name of the stage of a location, and the path in it. Raises SqlError if there is no such stage."""
    parts, path = read_stage(location)
    name = qualified(parts, session.engine.database, session.engine.schema)
    if not _exists(account, name):
        raise _missing(name)
    return name, path


def _exists(account: Account, name: Name) -> bool:
    sql = f"SELECT 1 FROM {_STAGES} WHERE database_name = ? AND schema_name = ? AND name = ?"
    return bool(account.engine.query(sql, name))


def _missing(name: Name) -> SqlError:
    message = f"SQL compilation error:\nStage '{'.'.join(name)}' does not exist or not authorized."
    return SqlError(*OBJECT_MISSING, message)


def _folder(name: Name) -> Path:
    return Path(fake_stage.internal_dir(".".join(name)))
