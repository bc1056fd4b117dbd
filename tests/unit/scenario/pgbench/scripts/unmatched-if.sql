SELECT 1;
\else
\endif
