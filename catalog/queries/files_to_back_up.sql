-- Every file of a published version that was not collected since, with the version, and whether a cell has it now.
SELECT m.file, any_value(m.version) AS version, bool_or(p.superseded_seq IS NULL) AS is_current
FROM publication AS p JOIN materialization AS m ON m.seq = p.source_seq
WHERE m.file IS NOT NULL
GROUP BY m.asset, m.file
HAVING is_current OR greatest(max(m.seq), max(p.published_seq)) > coalesce(
    (SELECT max(c.seq) FROM collection AS c WHERE c.asset = m.asset AND c.version = any_value(m.version)), 0)
ORDER BY m.file
