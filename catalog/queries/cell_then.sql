-- The version of a cell that was current as of a position.
SELECT asset, partition, state, version, rows, file AS stored, published_seq
FROM cell_as_of($position)
WHERE asset = $asset AND partition IS NOT DISTINCT FROM $partition
