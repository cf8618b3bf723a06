-- Every published or observed cell of $assets as it is now; `place` is that of its asset in the list. `is_numbered`:
-- its ordinal is one under the scheme in $schemes; where it is not, the partition key is given. `is_judged`: the checks
-- in $checks judged it; where they did not, `other_checks` is what did. `digest`s of an external cell are 0.
SELECT
    w.place, p.scheme IS NOT DISTINCT FROM w.scheme AS is_numbered,
    CASE WHEN p.scheme IS DISTINCT FROM w.scheme THEN p.partition END AS partition,
    coalesce(p.ordinal, -1) AS ordinal, p.published_seq,
    coalesce(p.token_a, 0) AS token_a, coalesce(p.token_b, 0) AS token_b,
    coalesce(p.recipe_a, 0) AS recipe_a, coalesce(p.recipe_b, 0) AS recipe_b,
    coalesce(p.code_a, 0) AS code_a, coalesce(p.code_b, 0) AS code_b,
    p.checks_version IS NOT DISTINCT FROM w.checks_version AS is_judged,
    CASE WHEN p.checks_version IS DISTINCT FROM w.checks_version THEN p.checks_version END AS other_checks,
    coalesce(m.version, o.version) AS version,
    CASE WHEN m.file IS NULL THEN p.asset || '/' || m.version || '.parquet' ELSE nullif(m.file, '') END AS file,
    coalesce(m.rows, 0) AS rows, coalesce(m.bytes, 0) AS bytes, p.signature
FROM publication AS p
JOIN (
    SELECT generate_subscripts($assets::VARCHAR[], 1) - 1 AS place, unnest($assets::VARCHAR[]) AS asset,
        unnest($schemes::VARCHAR[]) AS scheme, unnest($checks::VARCHAR[]) AS checks_version
) AS w ON w.asset = p.asset
LEFT JOIN materialized AS m ON m.seq = p.source_seq
LEFT JOIN observed AS o ON o.seq = p.source_seq
WHERE p.superseded_seq IS NULL
