-- The last failure of a cell, where it was not published since, as of a position.
SELECT f."at", f.error, f.message
FROM failure_as_of($position) AS f
WHERE f.asset = $asset AND f.partition IS NOT DISTINCT FROM $partition
