"""Arrays in PostgreSQL's text form, without a server."""

import uuid
from decimal import Decimal

import numpy as np
import pytest

from upperbound.targets.pg_arrays import array_elements, encode_arrays


def test_values_are_quoted_so_that_none_is_taken_for_anything_else() -> None:
    values = [
        "a",
        "",
        "NULL",
        'say "hi"',
        "back\\slash",
        "{1,2}",
        " ",
        None,
        True,
        5,
        Decimal("1.50"),
        uuid.UUID(int=1),
    ]
    assert list(array_elements(values)) == [
        b'"a"',
        b'""',
        b'"NULL"',
        b'"say \\"hi\\""',
        b'"back\\\\slash"',
        b'"{1,2}"',
        b'" "',
        b"NULL",
        b'"true"',
        b'"5"',
        b'"1.50"',
        b'"00000000-0000-0000-0000-000000000001"',
    ]
    with pytest.raises(ValueError, match="zero byte"):
        list(array_elements(["\0"]))


def test_whole_numbers_need_no_quotes() -> None:
    assert list(array_elements(np.array([-(2**63), 0, 2**63 - 1]))) == [
        b"-9223372036854775808",
        b"0",
        b"9223372036854775807",
    ]


def test_each_list_becomes_one_array() -> None:
    assert list(encode_arrays([[b"1", b"NULL"], [b'"a"'], []])) == [b"{1,NULL}", b'{"a"}', b"{}"]
