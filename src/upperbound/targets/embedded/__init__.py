"""A private PostgreSQL server for benchmarks that bring no server of their own."""
