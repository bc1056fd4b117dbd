\set tid random(1, 10 * :scale)
SELECT tbalance FROM pgbench_tellers WHERE tid = :tid;
UPDATE pgbench_tellers SET tbalance = tbalance + 1 WHERE tid = :tid;;
INSERT INTO pgbench_history (tid, bid, delta, mtime) VALUES (:tid, 1, 1, now())
