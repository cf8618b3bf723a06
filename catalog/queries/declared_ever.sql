-- Each asset that was ever declared, with the definitions of its partitions (JSON text, NULL for none), newest first.
SELECT asset, list(partitions ORDER BY seq DESC) AS partitions
FROM (
    SELECT asset, nullif((document -> 'partitions')::VARCHAR, 'null') AS partitions, max(seq) AS seq
    FROM declaration WHERE document IS NOT NULL GROUP BY ALL
)
GROUP BY asset
ORDER BY asset
