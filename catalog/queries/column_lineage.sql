-- Every known edge between columns.
SELECT asset, column_name, upstream, upstream_column, how
FROM column_lineage
ORDER BY asset, column_name, upstream, upstream_column
