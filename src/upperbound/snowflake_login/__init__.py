"""How to log in to Snowflake, decided once for targets and stores: files, variables, means of login, refusals."""
