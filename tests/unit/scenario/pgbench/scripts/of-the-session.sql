\set mine :client_id * 1000 + random(1, 1000)
\set count :count + 1
\set scattered abs(hash(random_zipfian(1, 1000000, 1.1))) % 1000000
\set shuffled permute(random(0, 999), 1000)
\setshell host echo 5
\shell date
\startpipeline
SELECT :mine, :count, :scattered, :shuffled, :host, :undefined;
\endpipeline
\sleep 10 ms
\frobnicate
SELECT 1;
\sleep random(1, 3)
