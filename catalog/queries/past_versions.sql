-- Every version that each cell of an asset had, and from which journal position on.
SELECT partition, seq, version FROM publication WHERE asset = $asset ORDER BY seq
