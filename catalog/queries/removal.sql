-- When, by whom and why the file of a version was removed; no row where it is there, or was made again since.
SELECT strftime(c."at", '%Y-%m-%d %H:%M:%S') AS removed_at, coalesce(s.identity, s.user_name) AS who, c.reason
FROM collection AS c
LEFT JOIN record AS r ON r.seq = c.seq
LEFT JOIN session AS s ON s.seq = r.by_seq
WHERE c.asset = $asset AND c.version = $version
    AND NOT EXISTS (FROM materialized AS m WHERE m.asset = c.asset AND m.version = c.version AND m.seq > c.seq)
ORDER BY c.seq DESC
LIMIT 1
