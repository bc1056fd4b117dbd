\set first random_gaussian(1, 99900, 4.5)
\set last :first + random(0, 99)
\set end_ :last
SELECT count(*), min(abalance), max(abalance) FROM pgbench_accounts WHERE aid BETWEEN :first AND :end_ AND aid <> :last + 1;
