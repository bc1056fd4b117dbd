"""The layout of one recorded operation: what the loop packs and the recorder, the spool and the sealing read."""

import struct

import numpy as np

RECORD = struct.Struct("<qqqqIHHHBB")
"""Intended start, start, end, lag (ns of the monotonic clock), rows, operation, thread, error, outcome, retries."""

RECORD_DTYPE = np.dtype(
    [
        ("intended_ns", "<i8"),
        ("start_ns", "<i8"),
        ("end_ns", "<i8"),
        ("lag_ns", "<i8"),
        ("rows", "<u4"),
        ("operation", "<u2"),
        ("thread", "<u2"),
        ("error", "<u2"),
        ("outcome", "u1"),
        ("retries", "u1"),
    ]
)
"""The same as a numpy structure.

``lag_ns`` is the longest the finished query can have waited for the generator before it was looked at and, in an open
loop, before it was sent to a thread that was free. ``error`` is an index into the worker's table of errors, 0 for
none. ``rows`` is the number of rows returned or affected, by all statements of the last attempt. ``retries`` counts the
attempts before that one.
"""

assert RECORD.size == RECORD_DTYPE.itemsize
