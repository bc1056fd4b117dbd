\set aid random(1, 100000)
\set word 5
SELECT ':aid', "x:word", 'a:b' FROM pgbench_accounts WHERE aid = $1;
SELECT 1 \; SELECT 2;
COPY pgbench_history TO STDOUT;
PREPARE p AS SELECT 1;
SELECT * FROM {tabel};
