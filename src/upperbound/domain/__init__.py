"""Pure decisions and values: no I/O, no drivers, no clocks."""
