-- A row for each asset declared as of a position: its cells that were published, and those whose last attempt had failed.
SELECT a.asset, coalesce(c.published, 0) AS published, coalesce(f.failed, 0) AS failed, c.rows, c.bytes,
    date_trunc('second', c.newest_at) AS newest_at
FROM asset_as_of($position) AS a
LEFT JOIN (SELECT asset, count(*) AS published, sum(rows)::BIGINT AS rows, sum(bytes)::BIGINT AS bytes,
    max("at") AS newest_at FROM cell_as_of($position) GROUP BY asset) AS c ON c.asset = a.asset
LEFT JOIN (SELECT asset, count(*) AS failed FROM failure_as_of($position) GROUP BY asset) AS f ON f.asset = a.asset
ORDER BY a.asset
