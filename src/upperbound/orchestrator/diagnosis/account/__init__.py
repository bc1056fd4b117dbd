"""``upperbound doctor --snowflake``: read-only looks at a Snowflake account, for what was never run on a real one.

Each probe is data: a name, one statement, and a pure function that judges the answer. ``walk`` alone does I/O.
"""
