-- The tables, views and macros of the index, and what each is.
FROM (
    SELECT table_name AS name, 'table' AS kind, estimated_size AS rows, comment
    FROM duckdb_tables() WHERE database_name = current_database()
    UNION ALL
    SELECT view_name, 'view', NULL, comment FROM duckdb_views() WHERE database_name = current_database() AND NOT internal
    UNION ALL
    SELECT function_name || '(' || array_to_string(parameters, ', ') || ')',
        CASE function_type WHEN 'table_macro' THEN 'table macro' ELSE 'macro' END, NULL, comment
    FROM duckdb_functions() WHERE database_name = current_database() AND NOT internal
)
ORDER BY CASE kind WHEN 'view' THEN 1 WHEN 'table' THEN 3 ELSE 2 END, name
