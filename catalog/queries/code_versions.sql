-- Every code version of $assets whose parts are recorded, in the order in which they were.
SELECT asset, code_version FROM code_part
WHERE list_contains($assets::VARCHAR[], asset)
GROUP BY asset, code_version
ORDER BY min(seq)
