-- From which record on each cell of $assets has the version that it had as of record $position. `place` and `is_renumbered`
-- as in the query cells.
SELECT
    w.place::INTEGER AS place, p.newest.scheme IS DISTINCT FROM w.scheme AS is_renumbered,
    CASE WHEN p.newest.scheme IS DISTINCT FROM w.scheme THEN coalesce(p.partition, '') END AS partition,
    coalesce(p.newest.ordinal, -1) AS ordinal, p.since
FROM (
    SELECT asset, partition, max_by({'ordinal': ordinal, 'scheme': scheme}, published_seq) AS newest,
        max(published_seq) FILTER (is_new) AS since
    FROM (
        SELECT asset, partition, ordinal, scheme, published_seq, lag(published_seq) OVER cell IS NULL
            OR (token_a, token_b) IS DISTINCT FROM (lag(token_a) OVER cell, lag(token_b) OVER cell) AS is_new
        FROM publication
        WHERE published_seq <= $position AND list_contains($assets::VARCHAR[], asset)
        WINDOW cell AS (PARTITION BY asset, partition ORDER BY published_seq)
    )
    GROUP BY asset, partition
) AS p
JOIN (
    SELECT generate_subscripts($assets::VARCHAR[], 1) - 1 AS place, unnest($assets::VARCHAR[]) AS asset,
        unnest($schemes::VARCHAR[]) AS scheme
) AS w ON w.asset = p.asset
