-- The positions just before each change of the keys of dynamic partitions, latest first.
SELECT DISTINCT position
FROM (SELECT unnest([added_seq, removed_seq]) - 1 AS position FROM partition_key)
WHERE position IS NOT NULL
ORDER BY position DESC
