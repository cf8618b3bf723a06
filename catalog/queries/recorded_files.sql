-- Every file that a record names.
SELECT DISTINCT CASE WHEN m.file IS NULL THEN m.asset || '/' || m.version || '.parquet' ELSE m.file END AS file
FROM materialized AS m
