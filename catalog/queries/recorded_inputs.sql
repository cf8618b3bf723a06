-- What the current version of each cell of an asset read: edge, digest, and the journal position as of which.
SELECT i.partition, i.name, i.digest_a, i.digest_b, m.position
FROM cell AS c
JOIN materialization AS m ON m.seq = c.materialized_seq
JOIN materialization_input AS i ON i.seq = c.materialized_seq
WHERE c.asset = $asset
