-- Files of which no cell is known to need the content: no current pointer does, none did after $since, and they are
-- not among the newest $versions versions of a cell. `superseded_seq`: the last record that made another one current
-- (NULL: none ever was); `runs`: who made it; `is_removed`: a record says already that the file was removed.
WITH made AS (
    SELECT m.seq, m.asset, m.partition, m.version, m.run,
        CASE WHEN m.file IS NULL THEN m.asset || '/' || m.version || '.parquet' ELSE nullif(m.file, '') END AS file
    FROM materialized AS m
),
shown AS (
    SELECT p.asset, p.partition, p.published_seq, p.superseded_seq, r."at" AS superseded_at, m.version, m.file,
    FROM publication AS p JOIN made AS m ON m.seq = p.source_seq LEFT JOIN record AS r ON r.seq = p.superseded_seq
),
newest AS (
    SELECT asset, partition, max(published_seq) AS seq FROM shown GROUP BY asset, partition, version
    QUALIFY row_number() OVER (PARTITION BY asset, partition ORDER BY max(published_seq) DESC) <= $versions
),
needed AS (
    SELECT file FROM shown WHERE superseded_seq IS NULL OR superseded_at > $since
    UNION
    SELECT s.file FROM shown AS s JOIN newest AS n ON n.seq = s.published_seq AND n.asset = s.asset
        AND n.partition IS NOT DISTINCT FROM s.partition
),
naming AS (
    SELECT file, seq FROM made UNION ALL SELECT file, published_seq FROM shown
),
removed AS (
    SELECT CASE WHEN c.file IS NULL THEN c.asset || '/' || c.version || '.parquet' ELSE nullif(c.file, '') END AS file,
        max(c.seq) AS seq
    FROM collection AS c GROUP BY 1
),
candidate AS (SELECT * FROM made ANTI JOIN needed USING (file) WHERE file IS NOT NULL)
SELECT
    c.file, min(c.asset) AS asset, min(c.version) AS version, list(DISTINCT c.partition) AS partitions,
    list(DISTINCT c.run) AS runs, any_value(s.superseded_seq) AS superseded_seq,
    any_value(strftime(s.superseded_at, '%Y-%m-%d %H:%M:%S')) AS superseded_at,
    coalesce(any_value(r.seq) > any_value(n.seq), FALSE) AS is_removed
FROM candidate AS c
LEFT JOIN (
    SELECT file, max(superseded_seq) AS superseded_seq, max(superseded_at) AS superseded_at FROM shown GROUP BY file
) AS s ON s.file = c.file
LEFT JOIN (SELECT file, max(seq) AS seq FROM naming GROUP BY file) AS n ON n.file = c.file
LEFT JOIN removed AS r ON r.file = c.file
GROUP BY c.file
ORDER BY c.file
