"""The compiled part of the measuring loop, ``loop.c``: found, checked, and given the functions of psycopg's libpq."""

import ctypes
import functools
from pathlib import Path

from psycopg import pq

from upperbound.querylog.records import RECORD

LIBRARY = Path(__file__).with_name("_loop.so")

SENT, TURN_OVER, FULL, BELL, ROWS, OPERATIONS, FAILED, BROKEN, REST, WATCH, ASIDE = range(11)
"""Why the compiled part has come back; ``loop.c`` says what each of them means."""

_LIBPQ_FUNCTIONS = (
    "PQconsumeInput",
    "PQisBusy",
    "PQgetResult",
    "PQresultStatus",
    "PQntuples",
    "PQcmdTuples",
    "PQclear",
    "PQsendQueryPrepared",
    "PQflush",
)


class StatementFields(ctypes.Structure):
    """``struct statement``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("formats", ctypes.c_void_p),
        ("parameters", ctypes.c_int32),
        ("first_parameter", ctypes.c_int32),
        ("may_block", ctypes.c_int32),
    )


class OperationFields(ctypes.Structure):
    """``struct operation``."""

    _fields_ = (
        ("statements", ctypes.c_void_p),
        ("statement_count", ctypes.c_int32),
        ("row_length", ctypes.c_int32),
    )


class RowsFields(ctypes.Structure):
    """``struct rows``."""

    _fields_ = (
        ("values", ctypes.c_void_p),
        ("lengths", ctypes.c_void_p),
        ("next", ctypes.c_int32),
        ("count", ctypes.c_int32),
    )


class ClientFields(ctypes.Structure):
    """``struct client``."""

    _fields_ = (
        ("connection", ctypes.c_void_p),
        ("operations", ctypes.c_void_p),
        ("rows", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("lengths", ctypes.c_void_p),
        ("result", ctypes.c_void_p),
        ("start_ns", ctypes.c_int64),
        ("end_ns", ctypes.c_int64),
        ("until_ns", ctypes.c_int64),
        ("sent_ns", ctypes.c_int64),
        ("lag_before_ns", ctypes.c_int64),
        ("rows_before", ctypes.c_uint32),
        ("statement", ctypes.c_int32),
        ("retries", ctypes.c_int32),
        ("aside", ctypes.c_int32),
        ("operation", ctypes.c_int32),
        ("chosen", ctypes.c_int32),
        ("next_operation", ctypes.c_int32),
        ("operation_count", ctypes.c_int32),
        ("index", ctypes.c_int32),
    )


class LoopFields(ctypes.Structure):
    """``struct loop`` up to its events, which are its own."""

    _fields_ = (
        ("libpq", ctypes.c_void_p * len(_LIBPQ_FUNCTIONS)),
        ("operations", ctypes.c_void_p),
        ("clients", ctypes.c_void_p),
        ("buffer", ctypes.c_void_p),
        ("client", ctypes.c_void_p),
        ("waited_ns", ctypes.c_int64),
        ("previous_ns", ctypes.c_int64),
        ("since_ns", ctypes.c_int64),
        ("descriptors", ctypes.c_int32),
        ("capacity", ctypes.c_int32),
        ("used", ctypes.c_int32),
        ("epoll", ctypes.c_int32),
        ("bell", ctypes.c_int32),
        ("next_event", ctypes.c_int32),
        ("event_count", ctypes.c_int32),
    )


class CompiledUnavailable(Exception):
    """The compiled part cannot be used here; the message says why."""


class CompiledLoop:
    """The functions of the compiled part, and those of libpq that its users need besides."""

    def __init__(self, library: ctypes.CDLL, libpq: ctypes.CDLL) -> None:
        """Take both, which fit together."""
        self.loop_bytes = int(library.ub_size_of_loop())
        self.spin = library.ub_spin
        self.spin.argtypes, self.spin.restype = (ctypes.c_void_p, ctypes.c_int64), ctypes.c_int32
        self.send = library.ub_send
        self.send.argtypes, self.send.restype = (ctypes.c_void_p, ctypes.c_void_p), ctypes.c_int32
        self.send_statement = library.ub_send_statement
        self.send_statement.argtypes, self.send_statement.restype = (ctypes.c_void_p, ctypes.c_void_p), ctypes.c_int32
        self.libpq = [ctypes.cast(getattr(libpq, name), ctypes.c_void_p).value for name in _LIBPQ_FUNCTIONS]
        self._clear = libpq.PQclear
        self._clear.argtypes, self._clear.restype = (ctypes.c_void_p,), None
        self._error_field = libpq.PQresultErrorField
        self._error_field.argtypes, self._error_field.restype = (ctypes.c_void_p, ctypes.c_int), ctypes.c_char_p
        self._error_message = libpq.PQresultErrorMessage
        self._error_message.argtypes, self._error_message.restype = (ctypes.c_void_p,), ctypes.c_char_p

    def clear(self, result: int) -> None:
        """Give a result back."""
        self._clear(result)

    def error_field(self, result: int, field: int) -> bytes | None:
        """Return a field of a failed result's error, if it has one."""
        found: bytes | None = self._error_field(result, field)
        return found

    def error_message(self, result: int) -> bytes:
        """Return a failed result's error as libpq words it."""
        found: bytes = self._error_message(result)
        return found


@functools.cache
def compiled_loop() -> CompiledLoop:
    """Return the compiled part, ready to be used.

    Raises:
        CompiledUnavailable: it was not built, or does not fit the platform or psycopg.
    """
    if pq.__impl__ not in ("binary", "c"):
        raise CompiledUnavailable(f"psycopg runs in its {pq.__impl__} implementation; psycopg[binary] has the fast one")
    if not LIBRARY.exists():
        raise CompiledUnavailable("it was not built, for want of a C compiler when Upperbound was installed")
    try:
        library, libpq = ctypes.CDLL(str(LIBRARY)), ctypes.CDLL(_libpq_path())
        wanted = {
            "ub_size_of_loop_head": ctypes.sizeof(LoopFields),
            "ub_size_of_client": ctypes.sizeof(ClientFields),
            "ub_size_of_statement": ctypes.sizeof(StatementFields),
            "ub_size_of_operation": ctypes.sizeof(OperationFields),
            "ub_size_of_rows": ctypes.sizeof(RowsFields),
            "ub_size_of_record": RECORD.size,
        }
        misfits = [name for name, size in wanted.items() if getattr(library, name)() != size]
        if misfits:
            raise CompiledUnavailable(f"{LIBRARY.name} is of another version: {', '.join(misfits)}")
        return CompiledLoop(library, libpq)
    except (OSError, AttributeError) as error:
        raise CompiledUnavailable(str(error)) from error


def _libpq_path() -> str:
    """Return where the libpq is that psycopg has loaded: only that one knows its connections."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.partition("/")[2]
        if path and Path(path).name.startswith("libpq"):
            return f"/{path}"
    raise CompiledUnavailable("the libpq that psycopg works with cannot be found in this process")
