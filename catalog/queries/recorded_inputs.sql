-- What the current version of each cell of an asset read: edge, digest, and the journal position as of which.
SELECT p.partition, i.name, i.digest, m.position
FROM publication AS p
JOIN materialized AS m ON m.seq = p.source_seq
JOIN materialization_input AS i ON i.seq = p.source_seq
WHERE p.asset = $asset AND p.superseded_seq IS NULL
