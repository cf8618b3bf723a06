-- The last record before or at a position that withdrew an asset; NULL where none did.
SELECT max(seq) AS seq FROM declaration WHERE asset = $asset AND document IS NULL AND seq <= $position
