-- Every published or observed cell of one asset as it is now, in the columns of `cells`: with all keys and checks.
SELECT
    FALSE AS is_numbered, p.partition, coalesce(p.ordinal, -1) AS ordinal, p.published_seq,
    coalesce(p.token_a, 0) AS token_a, coalesce(p.token_b, 0) AS token_b,
    coalesce(p.recipe_a, 0) AS recipe_a, coalesce(p.recipe_b, 0) AS recipe_b,
    coalesce(p.code_a, 0) AS code_a, coalesce(p.code_b, 0) AS code_b,
    FALSE AS is_judged, p.checks_version AS other_checks,
    coalesce(m.version, o.version) AS version,
    CASE WHEN m.file IS NULL THEN p.asset || '/' || m.version || '.parquet' ELSE nullif(m.file, '') END AS file,
    coalesce(m.rows, 0) AS rows, coalesce(m.bytes, 0) AS bytes, p.signature
FROM publication AS p
LEFT JOIN materialized AS m ON m.seq = p.source_seq
LEFT JOIN observed AS o ON o.seq = p.source_seq
WHERE p.asset = $asset AND p.superseded_seq IS NULL
