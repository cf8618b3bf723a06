-- When, in which run, by whom and from which commit the version of a cell was made that was current as of a position.
SELECT m."at", m.run, m.code_version, m.seconds, s.user_name, s.commit_id
FROM publication AS p
JOIN materialized AS m ON m.seq = p.source_seq
LEFT JOIN run AS r ON r.run = m.run
LEFT JOIN session AS s ON s.seq = r.by_seq
WHERE p.asset = $asset AND p.partition IS NOT DISTINCT FROM $partition
    AND p.published_seq <= $position AND (p.superseded_seq IS NULL OR p.superseded_seq > $position)
