\set aid random(1, 100000)
BEGIN;
SELECT abalance AS balance FROM pgbench_accounts WHERE aid = :aid \gset
SELECT bid FROM pgbench_branches \aset all_
\set more :balance + 1
\if :balance > 0
UPDATE pgbench_accounts SET abalance = abalance - 1 WHERE aid = :aid;
\elif :unset > 0
UPDATE pgbench_accounts SET abalance = :more WHERE aid = :aid;
\endif
END;
