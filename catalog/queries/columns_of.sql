-- The columns of the newest materialization of each asset, in order.
SELECT n.asset, c.name, c.type
FROM (SELECT p.asset, max(p.source_seq) AS seq FROM publication AS p
    WHERE p.superseded_seq IS NULL AND p.recipe_a IS NOT NULL GROUP BY p.asset) AS n
JOIN materialization_column AS c ON c.seq = n.seq
ORDER BY n.asset, c.position
