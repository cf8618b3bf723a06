-- What the version of a cell was made from that was current as of a position: upstream cells and their versions.
SELECT i.upstream, i.upstream_partition AS partition, i.upstream_version AS version
FROM input AS i
JOIN publication AS p ON p.source_seq = i.seq
WHERE p.asset = $asset AND p.partition IS NOT DISTINCT FROM $partition
    AND p.published_seq <= $position AND (p.superseded_seq IS NULL OR p.superseded_seq > $position)
ORDER BY i.name, i.upstream_partition
