-- The cells whose current version was made from a version: from what a record made.
SELECT DISTINCT c.asset, c.partition
FROM input AS i JOIN cell AS c ON c.materialized_seq = i.seq
WHERE i.upstream_seq = $seq
ORDER BY c.asset, c.partition
