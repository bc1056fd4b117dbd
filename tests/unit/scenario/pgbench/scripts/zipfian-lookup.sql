-- Hot accounts: the first ones are asked for most often.
\set aid random_zipfian(1, 100000 * :scale, 1.2)
/* a block comment /* within another */ ; ends nothing */
SELECT abalance, filler -- the balance; and the rest
  FROM pgbench_accounts
 WHERE aid = :aid;
