-- Name, type and digest of some columns of every published cell of an asset.
SELECT c.partition, k.name, k.type, k.digest
FROM cell AS c JOIN materialization_column AS k ON k.seq = c.materialized_seq
WHERE c.asset = $asset AND list_contains($names::VARCHAR[], k.name)
ORDER BY c.partition, k.name
