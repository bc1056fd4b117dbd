"""Alembic's environment and the revisions of the schema, shipped with the package.

A change of the schema is made in four places, and the tests fail until they agree: ``store/tables.py``, a new module in
``versions`` that says how existing stores get there, ``REVISIONS`` in ``store/migrate.py``, and ``sql/schema``, which
``upperbound store ddl`` prints.
"""
