-- The latest runs as of a position, newest first; what a run has made that has not said so itself is counted.
SELECT
    r.run, r.kind, r.selection, r.partitions,
    CASE WHEN r.is_over THEN r.state WHEN a.is_paused THEN 'paused' ELSE 'running' END AS state, r.cells,
    CASE WHEN r.is_over AND r.made IS NOT NULL THEN r.made ELSE coalesce(m.made, 0) END AS made,
    CASE WHEN r.is_over THEN r.fresh END AS fresh, CASE WHEN r.is_over THEN r.failed END AS failed,
    CASE WHEN r.is_over THEN r.blocked END AS blocked, date_trunc('second', r.started_at) AS started_at,
    CASE WHEN r.is_over THEN round(r.seconds, 3) END AS seconds, s.user_name, r.continues
FROM (SELECT *, coalesce(ended_seq <= $position, FALSE) AS is_over FROM run WHERE started_seq <= $position) AS r
LEFT JOIN session AS s ON s.seq = r.by_seq
LEFT JOIN (
    SELECT run, count(*) AS made
    FROM materialized
    WHERE seq <= $position AND run IN (
        SELECT open.run FROM run AS open WHERE open.made IS NULL OR open.ended_seq > $position)
    GROUP BY run
) AS m ON m.run = r.run
LEFT JOIN (
    SELECT run, arg_max(action, seq) = 'pause' AS is_paused
    FROM steering
    WHERE seq <= $position AND action IN ('pause', 'resume')
    GROUP BY run
) AS a ON a.run = r.run
WHERE $kind IS NULL OR r.kind = $kind
ORDER BY r.started_seq DESC
LIMIT $limit
