-- When the versions of the cells of $assets that were current as of record $position were made: microseconds since 1970.
-- `place` and `is_renumbered` as in the query cells.
SELECT
    w.place::INTEGER AS place, p.scheme IS DISTINCT FROM w.scheme AS is_renumbered,
    CASE WHEN p.scheme IS DISTINCT FROM w.scheme THEN coalesce(p.partition, '') END AS partition,
    coalesce(p.ordinal, -1) AS ordinal, epoch_us(r."at") AS made_us
FROM publication AS p
JOIN (
    SELECT generate_subscripts($assets::VARCHAR[], 1) - 1 AS place, unnest($assets::VARCHAR[]) AS asset,
        unnest($schemes::VARCHAR[]) AS scheme
) AS w ON w.asset = p.asset
JOIN record AS r ON r.seq = p.source_seq
WHERE p.published_seq <= $position AND (p.superseded_seq IS NULL OR p.superseded_seq > $position)
