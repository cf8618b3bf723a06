-- The columns of an asset that differ between the version that each of $partitions had as of the record in $read_at and
-- the one it had as of record $position: other values, another type, new or gone.
WITH wanted AS (
    SELECT unnest($partitions::VARCHAR[]) AS partition, unnest($read_at::BIGINT[]) AS read_at),
version AS (
    SELECT w.partition, a.is_now, p.source_seq AS seq
    FROM wanted AS w
    CROSS JOIN (VALUES (FALSE), (TRUE)) AS a(is_now)
    JOIN publication AS p ON p.asset = $asset AND p.partition IS NOT DISTINCT FROM w.partition
        AND p.published_seq <= CASE WHEN a.is_now THEN $position ELSE w.read_at END
        AND (p.superseded_seq IS NULL OR p.superseded_seq > CASE WHEN a.is_now THEN $position ELSE w.read_at END)),
col AS (
    SELECT v.partition, v.is_now, k.name, k.type, k.digest_a, k.digest_b
    FROM version AS v JOIN materialization_column AS k ON k.seq = v.seq
    -- A partition that was not there before has no column that changed.
    WHERE v.partition IN (SELECT o.partition FROM version AS o WHERE NOT o.is_now)
        OR v.partition IS NULL AND EXISTS (FROM version AS o WHERE o.partition IS NULL AND NOT o.is_now))
SELECT DISTINCT name FROM (
    SELECT partition, name FROM col GROUP BY partition, name, type, digest_a, digest_b HAVING count(*) = 1)
ORDER BY name
