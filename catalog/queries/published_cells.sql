-- The cells of an asset that were published as of a record, each with its file; ordered by ordinal.
SELECT
    p.partition, p.ordinal, p.scheme, m.version,
    CASE WHEN m.file IS NULL THEN m.asset || '/' || m.version || '.parquet' ELSE nullif(m.file, '') END AS file,
    m.rows, m.bytes
FROM publication AS p JOIN materialized AS m ON m.seq = p.source_seq
WHERE p.asset = $asset AND p.published_seq <= $position
    AND (p.superseded_seq IS NULL OR p.superseded_seq > $position)
ORDER BY p.ordinal, p.partition
