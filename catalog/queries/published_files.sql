-- Every file that a published version has, with the newest record that made it. Those that were collected since are
-- left out, unless one is current: then it has to be there. `digests`: of its bytes, as they were each time it was written.
-- Asked of tables alone: a view says what somebody made of it.
SELECT m.asset, any_value(m.partition) AS partition, m.version, m.file, max(m.seq) AS seq,
    coalesce(any_value(w.digests), []) AS digests
FROM (SELECT * REPLACE (CASE WHEN file IS NULL THEN asset || '/' || version || '.parquet' ELSE file END AS file)
    FROM materialized WHERE file IS NULL OR file <> '') AS m
JOIN publication AS p ON p.source_seq = m.seq
LEFT JOIN (
    SELECT d.asset, d.version, list(DISTINCT printf('%016x%016x', d.file_digest_a, d.file_digest_b)) AS digests
    FROM materialized AS d WHERE d.file_digest_b IS NOT NULL GROUP BY d.asset, d.version
) AS w ON w.asset = m.asset AND w.version = m.version
GROUP BY m.asset, m.version, m.file
HAVING bool_or(p.superseded_seq IS NULL) OR max(greatest(m.seq, p.published_seq)) > coalesce((SELECT max(c.seq) FROM collection AS c WHERE c.asset = m.asset AND c.version = m.version), 0)
ORDER BY m.asset, partition
