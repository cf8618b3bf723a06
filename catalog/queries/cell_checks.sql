-- The latest verdict of each check on a cell as of a position.
SELECT check_name, severity, passed, failed_rows, message
FROM check_as_of($position)
WHERE asset = $asset AND partition IS NOT DISTINCT FROM $partition
ORDER BY check_name
