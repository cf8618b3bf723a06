-- The number behind the last row of the table publication.
SELECT coalesce(max(rowid), -1) + 1 AS rows FROM publication
