-- Each segment that was pruned: how many of its texts are to be gone and how many are, and up to when they were dropped.
SELECT p.segment, p.dropped, p.records - count(r.seq) AS gone, p."before"
FROM (SELECT * FROM pruning QUALIFY row_number() OVER (PARTITION BY segment ORDER BY seq DESC) = 1) AS p
LEFT JOIN record AS r
    ON r.seq >= CAST(p.segment[1:20] AS BIGINT) AND r.seq < CAST(p.segment[1:20] AS BIGINT) + p.records
GROUP BY p.segment, p.dropped, p.records, p."before"
ORDER BY p.segment
