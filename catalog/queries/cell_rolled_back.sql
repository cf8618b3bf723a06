-- The cells of $assets whose version, as of record $position, a rollback had made current: that record and its reason.
-- `place` and `is_renumbered` as in the query cells.
SELECT
    w.place::INTEGER AS place, p.scheme IS DISTINCT FROM w.scheme AS is_renumbered,
    CASE WHEN p.scheme IS DISTINCT FROM w.scheme THEN coalesce(p.partition, '') END AS partition,
    coalesce(p.ordinal, -1) AS ordinal, r.seq, r.reason
FROM publication AS p
JOIN (
    SELECT generate_subscripts($assets::VARCHAR[], 1) - 1 AS place, unnest($assets::VARCHAR[]) AS asset,
        unnest($schemes::VARCHAR[]) AS scheme
) AS w ON w.asset = p.asset
JOIN rollback AS r ON r.seq = p.published_seq AND r.asset = p.asset AND r.partition IS NOT DISTINCT FROM p.partition
WHERE p.published_seq <= $position AND (p.superseded_seq IS NULL OR p.superseded_seq > $position)
