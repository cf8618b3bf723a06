-- Every file that a published version has, but for those that were collected since: with the newest record that made it.
SELECT m.asset, any_value(m.partition) AS partition, m.version, m.file, max(m.seq) AS seq
FROM materialization AS m
SEMI JOIN publication AS p ON p.source_seq = m.seq
GROUP BY m.asset, m.version, m.file
HAVING max(m.seq) > coalesce((SELECT max(c.seq) FROM collection AS c WHERE c.asset = m.asset AND c.version = m.version), 0)
ORDER BY m.asset, partition
