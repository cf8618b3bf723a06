-- When runs did more to a cell than find it fresh, at $since or later and before $until (UTC), and what.
SELECT t.seq, strftime(e."at", '%Y-%m-%d %H:%M:%S') AS "at", t.run,
    coalesce(w.identity, w.user_name) || coalesce(' on behalf of ' || w.on_behalf_of, '') AS who, t.what, t.code_version
FROM (
    SELECT seq, run, 'was made' AS what, code_version FROM materialized
    WHERE asset = $asset AND partition IS NOT DISTINCT FROM $partition
    UNION ALL
    SELECT max(j.seq), j.run, 'was judged again', any_value(m.code_version)
    FROM judged AS j JOIN materialized AS m ON m.seq = j.source_seq AND m.run IS DISTINCT FROM j.run
    WHERE j.asset = $asset AND j.partition IS NOT DISTINCT FROM $partition GROUP BY j.run
    UNION ALL
    SELECT seq, run, concat('failed: ', message), NULL FROM failure
    WHERE asset = $asset AND partition IS NOT DISTINCT FROM $partition
    UNION ALL
    SELECT seq, run, concat('was not tried: ', reason), NULL FROM block
    WHERE asset = $asset AND partition IS NOT DISTINCT FROM $partition
) AS t
LEFT JOIN record AS e ON e.seq = t.seq
LEFT JOIN session AS w ON w.seq = e.by_seq
WHERE e."at" >= CAST($since AS TIMESTAMP) AND e."at" < CAST($until AS TIMESTAMP)
ORDER BY t.seq
