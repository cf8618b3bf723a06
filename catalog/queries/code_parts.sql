-- The parts of code versions as last recorded: of each of $assets its code version in $code_versions. A text may have been
-- recorded with another version of the same asset.
WITH wanted AS (
    SELECT DISTINCT unnest($assets::VARCHAR[]) AS asset, unnest($code_versions::VARCHAR[]) AS code_version),
newest AS (
    SELECT p.asset, p.code_version, max(p.seq) AS seq FROM code_part AS p SEMI JOIN wanted USING (asset, code_version)
    GROUP BY ALL),
known AS (
    SELECT t.asset, t.digest, any_value(t.text) AS text FROM code_part AS t
    WHERE t.text IS NOT NULL AND list_contains($assets::VARCHAR[], t.asset)
    GROUP BY ALL)
SELECT p.asset, p.code_version, p.kind, p.name, p.digest, known.text
FROM code_part AS p
SEMI JOIN newest USING (asset, code_version, seq)
LEFT JOIN known USING (asset, digest)
ORDER BY ALL
