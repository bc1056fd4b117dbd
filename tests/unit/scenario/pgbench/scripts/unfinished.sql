\if true
SELECT 'no end;
\endif
