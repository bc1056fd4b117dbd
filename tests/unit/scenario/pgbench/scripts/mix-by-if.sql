\set r random(1, 1000)
\set aid random(1, 100000)
\if :r <= 800
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
\elif :r <= 950
  \set delta random(-5000, 5000)
  BEGIN;
  UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
  END;
\else
  \if :aid <= 1000
    SELECT count(*) FROM pgbench_accounts WHERE aid < :aid;
  \else
    SELECT count(*) FROM pgbench_history;
  \endif
\endif
