-- The sets of dynamic partitions as of a position: their keys in the order of addition, and the record that last removed
-- one (0: none did). Ordinals are places in the list: until the next removal each key keeps its own.
SELECT set_name,
    coalesce(list(key ORDER BY added_seq, place) FILTER (removed_seq IS NULL OR removed_seq > $position), []) AS keys,
    coalesce(max(removed_seq) FILTER (removed_seq <= $position), 0) AS generation
FROM partition_key
WHERE added_seq <= $position
GROUP BY set_name
ORDER BY set_name
