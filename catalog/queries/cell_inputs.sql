-- What the cells of $assets that were current as of record $position had read: a row an edge and run of partitions, in
-- the order in which it was recorded; `as_of`: the record as of which it was read. `place` and `is_renumbered` as in cells.
SELECT
    w.place::INTEGER AS place, p.scheme IS DISTINCT FROM w.scheme AS is_renumbered,
    CASE WHEN p.scheme IS DISTINCT FROM w.scheme THEN coalesce(p.partition, '') END AS partition,
    coalesce(p.ordinal, -1) AS ordinal,
    i.name, i.first_ordinal, i.end_ordinal, i.digest, m.position AS as_of, m.seq
FROM publication AS p
JOIN (
    SELECT generate_subscripts($assets::VARCHAR[], 1) - 1 AS place, unnest($assets::VARCHAR[]) AS asset,
        unnest($schemes::VARCHAR[]) AS scheme
) AS w ON w.asset = p.asset
JOIN materialized AS m ON m.seq = p.source_seq
JOIN materialization_input AS i ON i.seq = p.source_seq
WHERE p.published_seq <= $position AND (p.superseded_seq IS NULL OR p.superseded_seq > $position)
ORDER BY i.seq, i.rowid
