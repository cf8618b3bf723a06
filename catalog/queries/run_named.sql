-- The runs whose name begins with a text, newest first; an open one is running, or paused.
SELECT r.run, r.kind, r.selection, r.partitions, r.force, r.atomic, r.state, r.ended_seq IS NULL AS is_open
FROM run AS r
WHERE starts_with(r.run, $name)
ORDER BY r.run = $name DESC, r.started_seq DESC
