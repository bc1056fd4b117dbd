"""Script files of pgbench, read and turned into scenarios; see :mod:`upperbound.scenario.pgbench.importer`."""
