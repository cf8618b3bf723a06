-- When, in which run, by whom and from which commit the version of a cell was made that was current as of a position;
-- where it was made current by a rollback, when, by whom and why that was.
SELECT m."at", m.run, m.code_version, m.seconds, s.user_name, s.commit_id,
    b."at" AS rolled_back_at, coalesce(t.identity, t.user_name) AS rolled_back_by, b.reason AS rolled_back_reason
FROM publication AS p
JOIN materialized AS m ON m.seq = p.source_seq
LEFT JOIN run AS r ON r.run = m.run
LEFT JOIN session AS s ON s.seq = r.by_seq
LEFT JOIN rollback AS b ON b.seq = p.published_seq AND b.asset = p.asset
    AND b.partition IS NOT DISTINCT FROM p.partition
LEFT JOIN record AS k ON k.seq = b.seq
LEFT JOIN session AS t ON t.seq = k.by_seq
WHERE p.asset = $asset AND p.partition IS NOT DISTINCT FROM $partition
    AND p.published_seq <= $position AND (p.superseded_seq IS NULL OR p.superseded_seq > $position)
