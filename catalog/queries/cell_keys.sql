-- The partition keys of the rows $ids of the table publication, in the order of the rows.
SELECT rowid AS id, coalesce(partition, '') AS partition FROM publication
WHERE rowid IN (SELECT unnest($ids::BIGINT[])) ORDER BY rowid
