-- The columns of the newest materialization of each asset, in order.
SELECT m.asset, c.name, c.type
FROM (SELECT asset, max(materialized_seq) AS seq FROM cell WHERE materialized_seq IS NOT NULL GROUP BY asset) AS m
JOIN materialization_column AS c ON c.seq = m.seq
ORDER BY m.asset, c.position
