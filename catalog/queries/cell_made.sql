-- When, in which run, by whom and from which commit the current version of a cell was made.
SELECT m."at", m.run, m.code_version, m.seconds, s.user_name, s.commit_id
FROM cell AS c
JOIN materialization AS m ON m.seq = c.materialized_seq
LEFT JOIN run AS r ON r.run = m.run
LEFT JOIN session AS s ON s.seq = r.by_seq
WHERE c.asset = $asset AND c.partition IS NOT DISTINCT FROM $partition
