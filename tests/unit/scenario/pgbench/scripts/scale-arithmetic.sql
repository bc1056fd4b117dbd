-- Integer division and remainder go toward zero, as in C.
\set rows 100000 * :scale
\set half (:rows - 1) / 2
\set low greatest(1, :half - 50, least(7, 9))
\set odd -7 / 2 + -7 % 3
\set aid random(:low, :low + 99)
\set ratio :rows / 3.0
\set note null
\set big :scale > 2 and not false
\if :big
SELECT count(*), :odd, :ratio, :note, 5-:odd, :big FROM pgbench_accounts WHERE aid = :aid LIMIT :half OFFSET :limit;
\else
DELETE FROM pgbench_accounts;
\endif
