-- The columns of a table or view of the index, and what each is.
SELECT column_name, data_type, comment
FROM duckdb_columns()
WHERE database_name = current_database() AND table_name = $table
ORDER BY column_index
