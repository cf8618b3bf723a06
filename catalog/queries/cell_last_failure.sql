-- The last failure of a cell, where it was not published since.
SELECT f."at", f.error, f.message
FROM cell_failure AS f
WHERE f.asset = $asset AND f.partition IS NOT DISTINCT FROM $partition
