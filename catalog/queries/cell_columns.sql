-- The columns of the cells of $assets that were current as of record $position, a row each. `place` and `is_renumbered` as
-- in the query cells; `position`: the place of the column.
SELECT
    w.place::INTEGER AS place, p.scheme IS DISTINCT FROM w.scheme AS is_renumbered,
    CASE WHEN p.scheme IS DISTINCT FROM w.scheme THEN coalesce(p.partition, '') END AS partition,
    coalesce(p.ordinal, -1) AS ordinal,
    k.position, k.name, k.type, coalesce(k.digest_a, 0) AS digest_a, coalesce(k.digest_b, 0) AS digest_b
FROM publication AS p
JOIN (
    SELECT generate_subscripts($assets::VARCHAR[], 1) - 1 AS place, unnest($assets::VARCHAR[]) AS asset,
        unnest($schemes::VARCHAR[]) AS scheme
) AS w ON w.asset = p.asset
JOIN materialization_column AS k ON k.seq = p.source_seq
WHERE p.published_seq <= $position AND (p.superseded_seq IS NULL OR p.superseded_seq > $position)
