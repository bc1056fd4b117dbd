"""The catalog of a real server: complete, in pages, and with everything a generator of statements goes by."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from upperbound.errors import ConfigurationError, TargetMismatch, TargetUnreachable
from upperbound.targets.catalog import (
    Catalog,
    Entry,
    Identity,
    ObjectKind,
    Page,
    PageRequest,
    PartitionStrategy,
)
from upperbound.targets.embedded.server import EmbeddedServer
from upperbound.targets.pg_catalog_reader import PostgresCatalog, catalog_connection
from upperbound.targets.pg_connection import ConnInfo
from upperbound.targets.pg_describe import Connection
from upperbound.targets.pg_types import Family

TABLES = 5_000

SHOP = """
    CREATE SCHEMA shop;
    CREATE DOMAIN shop.price AS numeric(10, 2) NOT NULL CHECK (VALUE >= 0);
    CREATE TABLE shop.customers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email varchar(80) NOT NULL UNIQUE);
    CREATE TABLE shop."Order Lines" (
        "Id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        customer uuid NOT NULL REFERENCES shop.customers,
        dropped text,
        "user" text DEFAULT 'nobody',
        price shop.price,
        count smallint NOT NULL,
        total numeric GENERATED ALWAYS AS (price * count) STORED,
        starts date, ends date,
        CONSTRAINT in_order CHECK (starts <= ends)
    );
    ALTER TABLE shop."Order Lines" DROP COLUMN dropped;
    CREATE UNIQUE INDEX one_each ON shop."Order Lines" (customer, starts) INCLUDE (count) WHERE count > 0;
    CREATE INDEX shouted ON shop."Order Lines" (upper("user"), count DESC);
    INSERT INTO shop.customers (email) SELECT i || '@example.org' FROM generate_series(1, 50) AS i;
    INSERT INTO shop."Order Lines" (customer, price, count) SELECT id, 2.5, 3 FROM shop.customers;
    """
PARTITIONED = """
    CREATE TABLE shop.events (id bigint, at timestamptz NOT NULL, "Note" text, PRIMARY KEY (id, at))
        PARTITION BY RANGE (at);
    CREATE TABLE shop.events_1 PARTITION OF shop.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE shop.events_rest PARTITION OF shop.events DEFAULT;
    INSERT INTO shop.events SELECT i, timestamptz '2025-06-01' + i * interval '1 day' FROM generate_series(1, 400) AS i;
    CREATE TABLE shop.log (line text, at timestamptz) PARTITION BY HASH (lower(line));
    CREATE VIEW shop.dear AS SELECT * FROM shop."Order Lines" WHERE price > 100;
    CREATE MATERIALIZED VIEW shop.sums AS SELECT customer, sum(total) FROM shop."Order Lines" GROUP BY customer;
    CREATE EXTENSION IF NOT EXISTS file_fdw;
    CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
    CREATE FOREIGN TABLE shop.passwords (line text) SERVER files OPTIONS (filename '/dev/null');
    ANALYZE;
    """


@pytest.fixture
def connection(fresh_database: str) -> Iterator[Connection]:
    with catalog_connection(ConnInfo(fresh_database)) as connection:
        yield connection


@pytest.fixture
def shop(connection: Connection) -> Catalog:
    """A catalog with a relation of each kind."""
    connection.execute(SHOP.encode())
    connection.execute(PARTITIONED.encode())
    return PostgresCatalog(connection)


def every_page(read: Callable[[PageRequest], Page[Entry]], size: int, search: str = "") -> list[Page[Entry]]:
    pages = [read(PageRequest(size, search=search))]
    while pages[-1].next is not None:
        pages.append(read(PageRequest(size, pages[-1].next, search)))
    return pages


def test_five_thousand_tables_come_in_pages_with_none_missing_and_none_twice(connection: Connection) -> None:
    for schema in range(5):
        statements = [f'CREATE TABLE s{schema}."T {number}" ()' for number in range(TABLES // 5)]
        connection.execute(f"CREATE SCHEMA s{schema}; {'; '.join(statements)}".encode())
    catalog = PostgresCatalog(connection)

    pages = every_page(catalog.objects, 300)

    assert [len(page.items) for page in pages] == [300] * 16 + [200]
    names = [(entry.schema, entry.name) for page in pages for entry in page.items]
    assert len(names) == TABLES
    assert names == sorted({(f"s{schema}", f"T {number}") for schema in range(5) for number in range(TABLES // 5)})
    exact = every_page(lambda page: catalog.objects(page, "s3"), 500)
    assert [len(page.items) for page in exact] == [500, 500]


def test_a_page_begins_after_a_key_whatever_was_created_and_dropped_meanwhile(connection: Connection) -> None:
    connection.execute("CREATE TABLE b (); CREATE TABLE d (); CREATE TABLE f ()")
    catalog = PostgresCatalog(connection)
    first = catalog.objects(PageRequest(2))
    connection.execute("DROP TABLE d; CREATE TABLE a (); CREATE TABLE e ()")
    second = catalog.objects(PageRequest(2, first.next))
    assert [entry.name for entry in (*first.items, *second.items)] == ["b", "d", "e", "f"]
    assert second.next is None


def test_a_search_finds_parts_of_names_in_any_case_and_takes_every_character_for_itself(
    connection: Connection,
) -> None:
    connection.execute('CREATE TABLE "Orders" (); CREATE TABLE order_lines (); CREATE TABLE orderxlines ()')
    catalog = PostgresCatalog(connection)

    def found(search: str) -> list[str]:
        return [entry.name for page in every_page(catalog.objects, 1, search) for entry in page.items]

    assert found("ORDER") == ["Orders", "order_lines", "orderxlines"]
    assert found("order_") == ["order_lines"]
    assert found("public.ord") == ["Orders", "order_lines", "orderxlines"]
    assert found("%") == []


def test_objects_say_what_they_are_and_how_large(shop: Catalog) -> None:
    found = {entry.name: entry for entry in shop.objects(PageRequest(), "shop").items}
    assert {name: entry.kind for name, entry in found.items()} == {
        "Order Lines": ObjectKind.TABLE,
        "customers": ObjectKind.TABLE,
        "dear": ObjectKind.VIEW,
        "events": ObjectKind.PARTITIONED_TABLE,
        "events_1": ObjectKind.TABLE,
        "events_rest": ObjectKind.TABLE,
        "log": ObjectKind.PARTITIONED_TABLE,
        "passwords": ObjectKind.FOREIGN_TABLE,
        "sums": ObjectKind.MATERIALIZED_VIEW,
    }
    assert found["Order Lines"].quoted == 'shop."Order Lines"'
    assert found["customers"].row_estimate == 50
    assert found["events"].row_estimate == 400
    assert (found["dear"].row_estimate, found["dear"].table_bytes, found["dear"].index_bytes) == (None, None, None)
    parts = [found["events_1"], found["events_rest"]]
    assert found["events"].table_bytes == sum(part.table_bytes or 0 for part in parts) > 0
    assert found["events"].index_bytes == sum(part.index_bytes or 0 for part in parts) > 0
    assert [part.partition_of for part in parts] == ["shop.events"] * 2
    assert found["customers"].partition_of is None
    assert all(entry.readable for entry in found.values())


def test_a_table_that_nobody_counted_has_no_estimate(connection: Connection) -> None:
    connection.execute("CREATE TABLE fresh AS SELECT generate_series(1, 1000) AS id")
    catalog = PostgresCatalog(connection)
    assert catalog.table("fresh").object.row_estimate is None
    connection.execute("ANALYZE fresh")
    assert catalog.table("fresh").object.row_estimate == 1000


def test_a_table_that_the_user_may_not_read_is_listed_as_such(shop: Catalog, connection: Connection) -> None:
    connection.execute("CREATE ROLE catalog_nobody; GRANT USAGE ON SCHEMA shop TO catalog_nobody")
    connection.execute("GRANT SELECT (id) ON shop.customers TO catalog_nobody")
    try:
        connection.execute("SET ROLE catalog_nobody")
        readable = {entry.name for entry in shop.objects(PageRequest()).items if entry.readable}
        assert readable == {"customers"}
    finally:
        connection.execute("RESET ROLE; DROP OWNED BY catalog_nobody; DROP ROLE catalog_nobody")


def test_columns_have_types_defaults_identity_and_what_is_generated(shop: Catalog) -> None:
    table = shop.table('shop."Order Lines"')
    assert [column.quoted for column in table.columns] == [
        *('"Id"', "customer", '"user"', "price", "count", "total", "starts", "ends")
    ]
    key, user, price, total = (table.column(name) for name in ("Id", "user", "price", "total"))
    assert (key.identity, key.nullable, key.type, key.family) == (Identity.ALWAYS, False, "bigint", Family.INTEGER)
    assert user.default == "'nobody'::text"
    assert (price.domain, price.type, price.base_type, price.nullable) == (True, "shop.price", "numeric", False)
    assert (total.generated, total.default, total.identity) == (True, None, None)
    email = shop.table("shop.customers").column("email")
    assert (email.type, email.max_length, email.family) == ("character varying(80)", 80, Family.TEXT)


def test_a_domain_over_a_domain_is_taken_apart_to_the_bottom(connection: Connection) -> None:
    connection.execute("CREATE DOMAIN code AS varchar(8); CREATE DOMAIN dear_code AS code NOT NULL")
    connection.execute("CREATE TABLE coded (value dear_code)")
    (column,) = PostgresCatalog(connection).table("coded").columns
    assert (column.type, column.base_type, column.max_length) == ("dear_code", "character varying", 8)
    assert (column.domain, column.nullable, column.family) == (True, False, Family.TEXT)


def test_columns_come_in_pages_with_a_search(connection: Connection) -> None:
    connection.execute(f"CREATE TABLE wide ({', '.join(f'c{number} int' for number in range(200))})".encode())
    catalog = PostgresCatalog(connection)
    pages = every_page(lambda page: catalog.columns("wide", page), 64)
    assert [len(page.items) for page in pages] == [64, 64, 64, 8]
    assert [column.name for page in pages for column in page.items] == [f"c{number}" for number in range(200)]
    assert [column.name for column in catalog.columns("wide", PageRequest(search="C19")).items] == [
        *("c19", *(f"c{number}" for number in range(190, 200)))
    ]


def test_keys_indexes_and_conditions_of_a_table(shop: Catalog) -> None:
    table = shop.table('shop."Order Lines"')
    primary, one_each, shouted = table.indexes
    assert table.primary_key == primary
    assert (primary.columns, primary.unique, primary.ordered) == (("Id",), True, True)
    assert (one_each.columns, one_each.unique, one_each.partial) == (("customer", "starts"), True, True)
    assert (shouted.columns, shouted.on_expressions, shouted.ordered) == (("count",), True, False)
    assert [(key.columns, key.references) for key in table.foreign_keys] == [(("customer",), "shop.customers")]
    assert [check.columns for check in table.checks if check.name == "in_order"] == [("starts", "ends")]
    assert table.partitioning is None


def test_partitioned_tables_say_by_what_their_rows_are_divided(shop: Catalog) -> None:
    events = shop.table("shop.events").partitioning
    assert events is not None
    assert (events.strategy, events.columns, events.has_default) == (PartitionStrategy.RANGE, ("at",), True)
    log = shop.table("shop.log").partitioning
    assert log is not None
    assert (log.strategy, log.columns, log.definition) == (PartitionStrategy.HASH, ("line",), "HASH (lower(line))")
    assert shop.table("shop.events").primary_key is not None


def test_schemas_and_databases_are_listed(shop: Catalog, connection: Connection) -> None:
    schemas = [entry for page in every_page(shop.schemas, 1) for entry in page.items]
    assert [(entry.name, entry.object_count, entry.usable) for entry in schemas] == [
        ("public", 0, True),
        ("shop", 9, True),
    ]
    databases = [entry for page in every_page(shop.databases, 1) for entry in page.items]
    assert [entry.name for entry in databases] == sorted({entry.name for entry in databases})
    (current,) = [entry for entry in databases if entry.current]
    assert current.name == connection.info.dbname
    assert current.size_bytes is not None
    assert current.size_bytes > 1_000_000


@pytest.mark.parametrize("after", ["nonsense", "W10=", "WyJhIl0=", "e30="])
def test_a_place_that_is_no_end_of_a_page_is_refused(shop: Catalog, after: str) -> None:
    with pytest.raises(ConfigurationError, match="is not where a page"):
        shop.objects(PageRequest(after=after))


@pytest.mark.parametrize("size", [0, 1001])
def test_a_page_has_a_sensible_size(size: int) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot have {size} entries"):
        PageRequest(size)


def test_a_table_that_is_not_there_is_refused_with_names_that_may_be_meant(shop: Catalog) -> None:
    with pytest.raises(TargetMismatch) as caught:
        shop.table("shop.custommers")
    assert "there is no table shop.custommers" in caught.value.message
    assert caught.value.hint == "did you mean shop.customers?"
    with pytest.raises(TargetMismatch, match="the server's own catalog"):
        shop.table("pg_catalog.pg_class")
    with pytest.raises(ConfigurationError, match="is not a table name"):
        shop.table("a b")


def test_a_table_that_stays_locked_is_an_error_and_no_wait_without_end(
    fresh_database: str, embedded_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upperbound.targets.pg_catalog_reader.LOCK_TIMEOUT_S", 0.2)
    with psycopg.connect(fresh_database) as other:
        other.execute("CREATE TABLE locked (id int)")
        other.commit()
        other.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        with (
            pytest.raises(TargetUnreachable, match="gave up while its catalog was read: canceling statement"),
            catalog_connection(ConnInfo(fresh_database)) as connection,
        ):
            PostgresCatalog(connection).objects(PageRequest())
