-- Every declaration of $assets, oldest first: its record and its document, NULL for a withdrawal.
SELECT asset, seq, document::VARCHAR AS document FROM declaration
WHERE list_contains($assets::VARCHAR[], asset)
ORDER BY seq
