-- Four of five look at one account, the others at a page of them.
\set aid random(1, 100000 * :scale - 19)
\set last :aid + 19
\set kind random(1, 5)
\if :kind <= 4
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
\else
SELECT aid, abalance FROM pgbench_accounts WHERE aid BETWEEN :aid AND :last ORDER BY aid;
\endif
