-- Every version that each cell of an asset had, and from which journal position on.
SELECT p.partition, p.published_seq AS seq, coalesce(m.version, o.version) AS version
FROM publication AS p
LEFT JOIN materialized AS m ON m.seq = p.source_seq
LEFT JOIN observed AS o ON o.seq = p.source_seq
WHERE p.asset = $asset
ORDER BY p.published_seq
