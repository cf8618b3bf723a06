-- The numbers of the published or observed cells of $assets as they are now, of the rows $first to $end of the table.
-- `place`: that of the asset in the list. `is_renumbered`: the ordinal is not one under the scheme in $schemes; the query
-- cell_keys tells the partition of the row `id`. `whole`: the recipe as if all columns had been read. `is_judged`: the
-- checks in $checks judged it. Digests of an external cell are 0.
SELECT
    p.rowid AS id, w.place::INTEGER AS place, p.scheme IS DISTINCT FROM w.scheme AS is_renumbered,
    coalesce(p.ordinal, -1) AS ordinal, p.published_seq,
    coalesce(p.token_a, 0) AS token_a, coalesce(p.token_b, 0) AS token_b,
    coalesce(p.whole_a, p.recipe_a, 0) AS whole_a, coalesce(p.whole_b, p.recipe_b, 0) AS whole_b,
    coalesce(p.code_a, 0) AS code_a, coalesce(p.code_b, 0) AS code_b,
    p.whole_a IS NOT NULL AS is_narrowed, p.checks_version IS NOT DISTINCT FROM w.checks_version AS is_judged
FROM publication AS p
JOIN (
    SELECT generate_subscripts($assets::VARCHAR[], 1) - 1 AS place, unnest($assets::VARCHAR[]) AS asset,
        unnest($schemes::VARCHAR[]) AS scheme, unnest($checks::VARCHAR[]) AS checks_version
) AS w ON w.asset = p.asset
WHERE p.superseded_seq IS NULL AND p.rowid >= $first AND p.rowid < $end
