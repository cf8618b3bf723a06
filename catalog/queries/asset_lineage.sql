-- Every edge between assets as they were declared as of a position.
SELECT upstream, asset, CASE WHEN load THEN 'reads' ELSE 'waits for' END AS how
FROM upstream_as_of($position)
ORDER BY asset, position
