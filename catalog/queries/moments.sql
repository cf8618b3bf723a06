-- For reading a moment: the last record, the last one at a UTC time (0: none), the first there is, the last of which
-- retention may have dropped the text (0: none), and until when it dropped them.
SELECT
    (SELECT applied_seq FROM meta) AS last_seq,
    position_at($time) AS at_time,
    (SELECT strftime(min_by(r."at", r.seq), '%Y-%m-%d %H:%M:%S') FROM record AS r) AS first_at,
    (SELECT coalesce(max(TRY_CAST(p.segment[1:20] AS BIGINT) + p.records - 1), 0) FROM pruning AS p WHERE p.dropped > 0)
        AS dropped_to,
    (SELECT max(p."before") FROM pruning AS p) AS dropped_before
