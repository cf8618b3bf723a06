-- Every version that the cells of some made assets had, oldest first: from which record to which, and its file;
-- `removed_seq`: the record that says that the file was removed, where it was not made again since; `digests`: of its
-- bytes, as they were each time it was written.
SELECT
    p.asset, p.partition, p.published_seq, p.superseded_seq, m.version,
    CASE WHEN m.file IS NULL THEN m.asset || '/' || m.version || '.parquet' ELSE nullif(m.file, '') END AS file,
    strftime(m."at", '%Y-%m-%d %H:%M:%S') AS made_at, c.seq AS removed_seq,
    coalesce(w.digests, []) AS digests
FROM publication AS p
JOIN materialized AS m ON m.seq = p.source_seq
LEFT JOIN (
    SELECT t.asset, t.version, max(t.seq) AS seq FROM collection AS t
    WHERE NOT EXISTS (FROM materialized AS e WHERE e.asset = t.asset AND e.version = t.version AND e.seq > t.seq)
    GROUP BY t.asset, t.version
) AS c ON c.asset = m.asset AND c.version = m.version
LEFT JOIN (
    SELECT d.asset, d.version, list(DISTINCT printf('%016x%016x', d.file_digest_a, d.file_digest_b)) AS digests
    FROM materialized AS d WHERE d.file_digest_b IS NOT NULL AND list_contains($assets::VARCHAR[], d.asset) GROUP BY d.asset, d.version
) AS w ON w.asset = m.asset AND w.version = m.version
WHERE list_contains($assets::VARCHAR[], p.asset)
ORDER BY p.published_seq
