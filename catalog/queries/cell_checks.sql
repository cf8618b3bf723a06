-- The latest verdict of each check on a cell.
SELECT check_name, severity, passed, failed_rows, message
FROM judged
WHERE asset = $asset AND partition IS NOT DISTINCT FROM $partition
QUALIFY row_number() OVER (PARTITION BY check_name ORDER BY seq DESC) = 1
ORDER BY check_name
