\set bid random(1, 10)
\set aid (:bid - 1) * 100000 + random(1, 100000)
\set other 11 - :bid
UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = :bid;
UPDATE pgbench_accounts SET abalance = abalance + 1
  WHERE aid = :aid;
SELECT :other;
