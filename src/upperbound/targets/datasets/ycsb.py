"""The table of the Yahoo! Cloud Serving Benchmark: a text key and ten fields of 100 bytes.

A record's number is n, counted from 1; its key is ``user`` and ten digits, ``n * 2654435761 % 4294967291``. The modulus
is a prime, so that no two numbers share a key, and neighbours in number are far apart in the index, as YCSB's hashed
insert order has it. Statements compute the key of a number in the same way::

    'user' || lpad((n * 2654435761 % 4294967291)::text, 10, '0')

The sequence ``usertable_record`` stands at the highest number, for workloads that insert.
"""

from typing import Final

import numpy as np

from upperbound.targets.datasets.dataset import DataSet, DataTable, Recipe
from upperbound.targets.datasets.noise import noise_words, row_numbers
from upperbound.targets.datasets.rows import Cells, binary_rows, digits, same_text

RECORDS: Final = 100_000
FIELDS: Final = 10
FIELD_BYTES: Final = 100
KEY_FACTOR: Final = 2_654_435_761
KEY_MODULUS: Final = 4_294_967_291
KEY_DIGITS: Final = 10

_WORDS_PER_FIELD: Final = -(-FIELD_BYTES // 8)
_ALPHABET: Final = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-", dtype=np.uint8)


def _records(recipe: Recipe, rows: range) -> bytes:
    numbers = row_numbers(rows)
    count = len(numbers)
    key = np.concatenate([same_text("user", count), digits(numbers * KEY_FACTOR % KEY_MODULUS, KEY_DIGITS)], axis=1)
    words = noise_words(recipe.seed, 1, numbers, FIELDS * _WORDS_PER_FIELD)
    letters = _ALPHABET[words.astype("<u8", copy=False).view(np.uint8) & 63].reshape(count, FIELDS, -1)
    fields: list[Cells | None] = [letters[:, field, :FIELD_BYTES] for field in range(FIELDS)]
    return binary_rows(count, [key, *fields])


YCSB: Final = DataSet(
    name="ycsb",
    about="One table of records with a text key and ten fields of 100 bytes, for YCSB's workloads A to F.",
    size="100,000 records; about 115 MB",
    tables=(
        DataTable(
            "usertable",
            lambda _scale: (
                "CREATE TABLE usertable (ycsb_key text NOT NULL, "
                + ", ".join(f"field{number} text" for number in range(FIELDS))
                + ")"
            ),
            lambda scale: RECORDS * scale,
            _records,
            rows_per_part=20_000,
        ),
    ),
    finish=(
        "ALTER TABLE usertable ADD PRIMARY KEY (ycsb_key)",
        "CREATE SEQUENCE usertable_record OWNED BY usertable.ycsb_key",
        "SELECT setval('usertable_record', (SELECT count(*) FROM usertable))",
    ),
    sequences=("usertable_record",),
    max_scale=20_000,
)
