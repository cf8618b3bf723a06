-- The digests of those parts of some $assets of which a text is recorded.
SELECT DISTINCT asset, digest FROM code_part WHERE asset IN (SELECT unnest($assets::VARCHAR[])) AND text IS NOT NULL
