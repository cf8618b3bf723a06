-- The latest runs, newest first; what a run that goes on has made is counted from its cells.
SELECT
    r.run, r.kind, r.selection, r.partitions, r.state, r.cells,
    coalesce(r.made, (SELECT count(*) FROM materialization AS m WHERE m.run = r.run)) AS made,
    r.fresh, r.failed, r.blocked, date_trunc('second', r.started_at) AS started_at, round(r.seconds, 3) AS seconds, s.user_name
FROM run AS r LEFT JOIN session AS s ON s.seq = r.by_seq
ORDER BY r.started_seq DESC
LIMIT $limit
