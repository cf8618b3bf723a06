-- What else is recorded of the cells of $assets that were current as of record $position: version, file, size,
-- signature of a source. `place` and `is_renumbered` as in the query cells.
SELECT
    w.place::INTEGER AS place, p.scheme IS DISTINCT FROM w.scheme AS is_renumbered,
    CASE WHEN p.scheme IS DISTINCT FROM w.scheme THEN coalesce(p.partition, '') END AS partition,
    coalesce(p.ordinal, -1) AS ordinal,
    coalesce(m.version, o.version) AS version,
    CASE WHEN m.file IS NULL THEN p.asset || '/' || m.version || '.parquet' ELSE nullif(m.file, '') END AS file,
    coalesce(m.rows, 0) AS rows, coalesce(m.bytes, 0) AS bytes, p.signature, p.checks_version, p.source_seq
FROM publication AS p
JOIN (
    SELECT generate_subscripts($assets::VARCHAR[], 1) - 1 AS place, unnest($assets::VARCHAR[]) AS asset,
        unnest($schemes::VARCHAR[]) AS scheme
) AS w ON w.asset = p.asset
LEFT JOIN materialized AS m ON m.seq = p.source_seq
LEFT JOIN observed AS o ON o.seq = p.source_seq
WHERE p.published_seq <= $position AND (p.superseded_seq IS NULL OR p.superseded_seq > $position)
