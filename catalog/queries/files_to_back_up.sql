-- Every file of a published version that was not collected since, with the version, whether a cell has it now, and the
-- digests of its bytes, as they were each time it was written.
SELECT m.file, any_value(m.version) AS version, bool_or(p.superseded_seq IS NULL) AS is_current,
    coalesce(any_value(w.digests), []) AS digests
FROM publication AS p JOIN materialization AS m ON m.seq = p.source_seq
LEFT JOIN (
    SELECT d.asset, d.version, list(DISTINCT printf('%016x%016x', d.file_digest_a, d.file_digest_b)) AS digests
    FROM materialized AS d WHERE d.file_digest_b IS NOT NULL GROUP BY d.asset, d.version
) AS w ON w.asset = m.asset AND w.version = m.version
WHERE m.file IS NOT NULL
GROUP BY m.asset, m.file
HAVING is_current OR greatest(max(m.seq), max(p.published_seq)) > coalesce(
    (SELECT max(c.seq) FROM collection AS c WHERE c.asset = m.asset AND c.version = any_value(m.version)), 0)
ORDER BY m.file
