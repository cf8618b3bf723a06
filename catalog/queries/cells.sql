-- Every published or observed cell as it is now. One row a cell, ordered by asset, then ordinal.
SELECT
    asset, partition, ordinal, scheme, version, token_a, token_b, recipe_a, recipe_b, code_a, code_b, code_version,
    checks_version, rows, bytes, file, signature, published_seq
FROM cell
ORDER BY asset, ordinal
