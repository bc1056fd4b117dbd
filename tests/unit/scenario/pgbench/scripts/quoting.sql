\set aid random(1, 100000)
SELECT $$it's; :not$$, $q$ $$ ; $q$, E'it\'s; :no', 'at 12:30', "aid"::text || ':', (ARRAY[1,2,3])[1:2], 1::int::text -- ' $$
  FROM pgbench_accounts "a;b" WHERE aid=:aid;
