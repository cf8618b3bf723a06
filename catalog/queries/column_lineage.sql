-- Every edge between columns that was known as of a position.
SELECT asset, column_name, upstream, upstream_column, how
FROM column_lineage_as_of($position)
ORDER BY asset, column_name, upstream, upstream_column
