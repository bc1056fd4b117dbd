\set
\set 5x 1
\set a random(1, )
\set b 1 / 0
\set c random(10, 1)
\set d sqr(2)
\set e abs(1, 2)
\set f 9223372036854775807 + 1
\set g 1 < 2 < 3
\set h random_gaussian(1, 10, 1.5)
\set i random_zipfian(1, 10, 1)
\set j not 1
\set k 5 5
\set l random(1, random(1, 10) * random(1, 10))
\set m @
\set n random_zipfian(1, 10, 25)
SELECT :a, :n;
SELECT :b, :zz;
