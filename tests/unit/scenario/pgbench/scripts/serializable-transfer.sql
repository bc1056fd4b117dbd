\set from random(1, 100000)
\set to random(1, 100000)
\set amount random(1, 100)
START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE; SELECT abalance FROM pgbench_accounts WHERE aid = :from FOR UPDATE;
UPDATE pgbench_accounts SET abalance = abalance - :amount WHERE aid = :from; UPDATE pgbench_accounts SET abalance = abalance + :amount WHERE aid = :to;
\set delta random(-100, -1)
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :from, :delta, CURRENT_TIMESTAMP);
COMMIT WORK;
