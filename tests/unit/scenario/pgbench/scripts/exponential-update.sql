\SET	aid \
	random_exponential(1, \
		100000 * :scale, \
		2.5)
\set delta -5000 + random(0, 10000)
UPDATE pgbench_accounts
   SET abalance = abalance + :delta
 WHERE aid = :aid
