-- Every version that a cell had, oldest first: from which record to which, since when, and the run that made it.
SELECT p.published_seq, p.superseded_seq, coalesce(m.version, o.version) AS version,
    strftime(e."at", '%Y-%m-%d %H:%M:%S') AS since, coalesce(m.run, o.run) AS run
FROM publication AS p
LEFT JOIN record AS e ON e.seq = p.published_seq
LEFT JOIN materialized AS m ON m.seq = p.source_seq
LEFT JOIN observed AS o ON o.seq = p.source_seq
WHERE p.asset = $asset AND p.partition IS NOT DISTINCT FROM $partition
ORDER BY p.published_seq
