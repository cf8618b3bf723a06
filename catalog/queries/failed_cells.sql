-- Cells whose last attempt failed and that were not published since.
SELECT asset, partition FROM cell_failure
