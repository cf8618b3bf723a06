-- Name, type and digest of some columns of every published cell of an asset.
SELECT p.partition, k.name, k.type, k.digest
FROM publication AS p JOIN materialization_column AS k ON k.seq = p.source_seq
WHERE p.asset = $asset AND p.superseded_seq IS NULL AND list_contains($names::VARCHAR[], k.name)
ORDER BY p.partition, k.name
