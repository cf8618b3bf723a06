-- The latest runs, newest first; what a run has made that has not said so itself is counted from its cells.
SELECT
    r.run, r.kind, r.selection, r.partitions, r.state, r.cells, coalesce(r.made, m.made, 0) AS made, r.fresh, r.failed,
    r.blocked, date_trunc('second', r.started_at) AS started_at, round(r.seconds, 3) AS seconds, s.user_name
FROM run AS r
LEFT JOIN session AS s ON s.seq = r.by_seq
LEFT JOIN (
    SELECT run, count(*) AS made
    FROM materialized
    WHERE run IN (SELECT open.run FROM run AS open WHERE open.made IS NULL)
    GROUP BY run
) AS m ON m.run = r.run
ORDER BY r.started_seq DESC
LIMIT $limit
