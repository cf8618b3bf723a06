-- The digests of the bytes that the files of some versions of an asset were written with, whoever wrote them.
SELECT d.version, list(DISTINCT printf('%016x%016x', d.file_digest_a, d.file_digest_b)) AS digests
FROM materialized AS d
WHERE d.asset = $asset AND d.file_digest_b IS NOT NULL AND list_contains($versions::VARCHAR[], d.version)
GROUP BY d.version
