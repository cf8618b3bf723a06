-- For reading a moment: the last record, the last one at a UTC time (0: none), when the first was written, and where
-- retention dropped texts: until when, and the first record as of which all that was current is still known (0: all).
SELECT
    (SELECT applied_seq FROM meta) AS last_seq,
    position_at($time) AS at_time,
    (SELECT strftime(min_by(r."at", r.seq), '%Y-%m-%d %H:%M:%S') FROM record AS r) AS first_at,
    p."before" AS dropped_before,
    coalesce((SELECT min(r.seq) - 1 FROM record AS r WHERE r."at" >= CAST(p."before" AS TIMESTAMP)), 0) AS known_from
FROM (SELECT max(g."before") AS "before" FROM pruning AS g WHERE g.dropped > 0) AS p
