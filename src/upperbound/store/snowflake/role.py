"""What a database administrator runs once: roles with as few rights as the store can do with."""

from typing import Final

ROLE_SCRIPT: Final = """\
-- Roles for a store on Snowflake; made by `upperbound store ddl --dialect snowflake`.
--
-- UPPERBOUND_OWNER makes and migrates the tables: use it for `upperbound store init`, and for nothing else.
-- UPPERBOUND_STORE reads and writes rows: use it for controllers and workers. It can make, change and drop nothing.
--
-- Set the four names, then run all of it as a user who may use SYSADMIN and SECURITYADMIN. It can be repeated.

SET ub_database = 'UPPERBOUND';
SET ub_schema = 'UPPERBOUND.STORE';
SET ub_warehouse = 'UPPERBOUND_STORE_WH';
SET ub_user = 'UPPERBOUND';

USE ROLE SYSADMIN;

CREATE DATABASE IF NOT EXISTS IDENTIFIER($ub_database);

CREATE SCHEMA IF NOT EXISTS IDENTIFIER($ub_schema) WITH MANAGED ACCESS;

-- A warehouse of its own: the store's statements must not wait behind the load that is measured, nor be billed with it.
CREATE WAREHOUSE IF NOT EXISTS IDENTIFIER($ub_warehouse)
  WAREHOUSE_SIZE = 'XSMALL' AUTO_SUSPEND = 60 AUTO_RESUME = TRUE INITIALLY_SUSPENDED = TRUE;

USE ROLE SECURITYADMIN;

CREATE ROLE IF NOT EXISTS UPPERBOUND_OWNER;

CREATE ROLE IF NOT EXISTS UPPERBOUND_STORE;

GRANT ROLE UPPERBOUND_STORE TO ROLE UPPERBOUND_OWNER;

GRANT ROLE UPPERBOUND_OWNER TO ROLE SYSADMIN;

GRANT ROLE UPPERBOUND_STORE TO USER IDENTIFIER($ub_user);

GRANT USAGE ON DATABASE IDENTIFIER($ub_database) TO ROLE UPPERBOUND_STORE;

GRANT USAGE ON SCHEMA IDENTIFIER($ub_schema) TO ROLE UPPERBOUND_STORE;

GRANT USAGE ON WAREHOUSE IDENTIFIER($ub_warehouse) TO ROLE UPPERBOUND_STORE;

GRANT CREATE TABLE, CREATE HYBRID TABLE, CREATE STAGE ON SCHEMA IDENTIFIER($ub_schema) TO ROLE UPPERBOUND_OWNER;

-- For the tables that are there, and for those that `upperbound store init` makes later.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA IDENTIFIER($ub_schema) TO ROLE UPPERBOUND_STORE;

GRANT SELECT, INSERT, UPDATE, DELETE ON FUTURE TABLES IN SCHEMA IDENTIFIER($ub_schema) TO ROLE UPPERBOUND_STORE;

-- Files of the query log wait in a stage until they are loaded.
GRANT READ, WRITE ON ALL STAGES IN SCHEMA IDENTIFIER($ub_schema) TO ROLE UPPERBOUND_STORE;

GRANT READ, WRITE ON FUTURE STAGES IN SCHEMA IDENTIFIER($ub_schema) TO ROLE UPPERBOUND_STORE;
"""
