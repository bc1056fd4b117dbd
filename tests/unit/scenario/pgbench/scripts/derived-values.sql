\set branch random(1, :scale)
\set aid (:branch - 1) * 100000 + random(1, 100000)
\set step random(1, 5) * 1000
\set size case when random(1, 100) <= 90 then 1 when :scale > 100 then 7 else 50 end
\set dice random(1, 2) + random(1, 2)
\set share random(1, 4) / 8.0
\set flag random(0, 1) = 1
SELECT :share::float8, :flag::bool, :dice::int FROM pgbench_accounts WHERE aid BETWEEN :aid AND :aid + :step LIMIT :size;
