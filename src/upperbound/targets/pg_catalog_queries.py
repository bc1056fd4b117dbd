"""The queries behind the PostgreSQL catalog. Every list is cut by key before anything costly is asked of its rows."""

from typing import Final, LiteralString

DATABASES: Final[LiteralString] = """
    SELECT datname AS name, pg_get_userbyid(datdba) AS owner, datname = current_database() AS current,
        CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END AS size_bytes
    FROM pg_database
    WHERE NOT datistemplate AND (%(after)s::name IS NULL OR datname > %(after)s::name)
        AND position(lower(%(search)s) IN lower(datname)) > 0
    ORDER BY datname LIMIT %(rows)s
"""

SCHEMAS: Final[LiteralString] = """
    SELECT n.nspname AS name, quote_ident(n.nspname) AS quoted, pg_get_userbyid(n.nspowner) AS owner,
        (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f'))
            AS object_count,
        has_schema_privilege(n.oid, 'USAGE') AS usable
    FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND (%(after)s::name IS NULL OR n.nspname > %(after)s::name)
        AND position(lower(%(search)s) IN lower(n.nspname)) > 0
    ORDER BY n.nspname LIMIT %(rows)s
"""

# Names compare by their bytes, whatever the collation of the database, so that the order is the same everywhere. The
# estimate of a table that was never vacuumed or analysed is -1, before PostgreSQL 14 it was 0 with no pages.
OBJECTS: Final[LiteralString] = """
    WITH page AS (
        SELECT c.oid, c.relnamespace, n.nspname, c.relname, c.relkind, c.relispartition
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            AND (%(oid)s::oid IS NULL OR c.oid = %(oid)s::oid)
            AND (%(schema)s::name IS NULL OR n.nspname = %(schema)s::name)
            AND (%(after_schema)s::name IS NULL
                OR (n.nspname, c.relname) > (%(after_schema)s::name, %(after_name)s::name))
            AND position(lower(%(search)s) IN lower(n.nspname || '.' || c.relname)) > 0
        ORDER BY n.nspname, c.relname LIMIT %(rows)s
    )
    SELECT page.nspname AS schema, page.relname AS name,
        quote_ident(page.nspname) || '.' || quote_ident(page.relname) AS quoted, page.relkind::text AS kind,
        sizes.rows AS row_estimate, sizes.table_bytes, sizes.index_bytes,
        CASE WHEN page.relispartition THEN (
            SELECT quote_ident(pn.nspname) || '.' || quote_ident(p.relname)
            FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
            WHERE i.inhrelid = page.oid LIMIT 1) END AS partition_of,
        has_schema_privilege(page.relnamespace, 'USAGE')
            AND has_any_column_privilege(page.oid, 'SELECT') AS readable
    FROM page, LATERAL (
        SELECT sum(CASE WHEN leaf.reltuples > 0 OR (leaf.reltuples = 0 AND (leaf.relpages > 0
                    OR pg_relation_size(leaf.oid) = 0)) THEN leaf.reltuples END)::bigint AS rows,
            sum(CASE WHEN leaf.relkind IN ('r', 'm') THEN pg_table_size(leaf.oid) END)::bigint AS table_bytes,
            sum(CASE WHEN leaf.relkind IN ('r', 'm') THEN pg_indexes_size(leaf.oid) END)::bigint AS index_bytes
        FROM pg_class leaf
        WHERE page.relkind <> 'v' AND leaf.oid IN (
            SELECT page.oid WHERE page.relkind <> 'p'
            UNION ALL SELECT relid FROM pg_partition_tree(page.oid) WHERE page.relkind = 'p' AND isleaf)
    ) AS sizes
    ORDER BY page.nspname, page.relname
"""

COLUMNS: Final[LiteralString] = """
    SELECT a.attname AS name, quote_ident(a.attname) AS quoted, a.attnum AS position,
        format_type(a.atttypid, a.atttypmod) AS type, base.oid AS base_oid, format_type(base.oid, NULL) AS base_type,
        t.typtype = 'd' AS domain,
        CASE WHEN base.oid IN (1042, 1043) AND base.typmod > 4 THEN base.typmod - 4 END AS max_length,
        NOT (a.attnotnull OR base.required) AS nullable,
        CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS "default",
        a.attidentity::text AS identity, a.attgenerated <> '' AS generated
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum,
    LATERAL (
        WITH RECURSIVE under AS (
            SELECT t.oid, t.typbasetype, t.typnotnull AS required,
                CASE WHEN t.typbasetype = 0 THEN a.atttypmod ELSE t.typtypmod END AS typmod
            UNION ALL
            SELECT lower.oid, lower.typbasetype, under.required OR lower.typnotnull,
                CASE WHEN lower.typbasetype = 0 THEN under.typmod ELSE lower.typtypmod END
            FROM under JOIN pg_type lower ON lower.oid = under.typbasetype WHERE under.typbasetype <> 0
        )
        SELECT oid, required, typmod FROM under WHERE typbasetype = 0
    ) AS base
    WHERE a.attrelid = %(oid)s AND a.attnum > %(after)s AND NOT a.attisdropped
        AND position(lower(%(search)s) IN lower(a.attname)) > 0
    ORDER BY a.attnum LIMIT %(rows)s
"""

INDEXES: Final[LiteralString] = """
    SELECT i.relname AS name,
        ARRAY(SELECT a.attname::text FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS k (number, place)
              JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.number
              WHERE k.place <= x.indnkeyatts ORDER BY k.place) AS columns,
        x.indisunique AS unique, x.indisprimary AS primary, x.indisexclusion AS exclusion,
        m.amname = 'btree' AND NOT EXISTS (SELECT FROM unnest(x.indoption::int2[]) AS o WHERE o & 1 = 1) AS ordered,
        x.indpred IS NOT NULL AS partial, x.indexprs IS NOT NULL AS on_expressions, x.indisvalid AS valid
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam
    WHERE x.indrelid = %(oid)s
    ORDER BY x.indisprimary DESC, i.relname
"""

CONSTRAINTS: Final[LiteralString] = """
    SELECT c.conname AS name, c.contype::text AS kind,
        ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
              JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place) AS columns,
        CASE WHEN c.contype = 'f' THEN (
            SELECT quote_ident(n.nspname) || '.' || quote_ident(r.relname)
            FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace WHERE r.oid = c.confrelid) END AS references
    FROM pg_constraint c
    WHERE c.conrelid = %(oid)s AND c.contype IN ('f', 'c')
    ORDER BY c.conname
"""

INHERITED: Final[LiteralString] = """
    SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
                   WHERE i.inhparent = %(oid)s AND c.relkind = 'r') AS inherited
"""

PARTITIONING: Final[LiteralString] = """
    SELECT p.partstrat::text AS strategy, p.partdefid <> 0 AS has_default, pg_get_partkeydef(p.partrelid) AS definition
    FROM pg_partitioned_table p WHERE p.partrelid = %(oid)s
"""
