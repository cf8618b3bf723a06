-- Runs that began and have not ended, with the number of cells that they made and that of their first record.
SELECT r.run, count(m.seq) AS made, r.started_seq
FROM run AS r LEFT JOIN materialized AS m ON m.run = r.run AND m.seq > r.started_seq
WHERE r.ended_at IS NULL
GROUP BY r.run, r.started_seq
ORDER BY r.started_seq
