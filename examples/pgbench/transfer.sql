-- An amount goes from one account to another, which is asked for by a few customers more than by all others.
-- Runs on the tables of `pgbench -i` or `upperbound data load tpcb`.
\set from random(1, 100000 * :scale)
\set to random_zipfian(1, 100000 * :scale, 1.1)
\set amount random(1, 5000)
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE pgbench_accounts SET abalance = abalance - :amount WHERE aid = :from;
UPDATE pgbench_accounts SET abalance = abalance + :amount WHERE aid = :to;
END;
