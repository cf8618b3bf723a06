-- The recipe of those cells of $assets that were current as of record $position of which not all columns of the inputs
-- counted, and the record that made them. `place` and `is_renumbered` as in the query cells.
SELECT
    w.place::INTEGER AS place, p.scheme IS DISTINCT FROM w.scheme AS is_renumbered,
    CASE WHEN p.scheme IS DISTINCT FROM w.scheme THEN coalesce(p.partition, '') END AS partition,
    coalesce(p.ordinal, -1) AS ordinal,
    p.recipe_a, p.recipe_b, p.source_seq
FROM publication AS p
JOIN (
    SELECT generate_subscripts($assets::VARCHAR[], 1) - 1 AS place, unnest($assets::VARCHAR[]) AS asset,
        unnest($schemes::VARCHAR[]) AS scheme
) AS w ON w.asset = p.asset
WHERE p.whole_a IS NOT NULL AND p.published_seq <= $position
    AND (p.superseded_seq IS NULL OR p.superseded_seq > $position)
