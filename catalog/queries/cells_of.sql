-- Every published or observed cell of one asset as it is now, in the columns of `cells`.
SELECT
    asset, partition, ordinal, scheme, version, token_a, token_b, recipe_a, recipe_b, code_a, code_b, code_version,
    checks_version, rows, bytes, file, signature, published_seq
FROM cell
WHERE asset = $asset
