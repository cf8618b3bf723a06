-- What the newest versions of every asset took and gave: of up to 100 of each, made within the 100000 records before its
-- newest one, the mean, the deviation, and what a tenth of them is below and above. Bounded, so that it reads a few
-- blocks of a long past: the newest record of an asset is found first.
WITH newest AS (SELECT m.asset, max(m.seq) - 100000 AS first_seq FROM materialized AS m GROUP BY m.asset),
recent AS (
    SELECT m.asset,
        unnest(max_by({'seconds': m.seconds, 'rows': m.rows, 'bytes': m.bytes}, m.seq, 100)) AS made
    FROM materialized AS m JOIN newest AS n ON n.asset = m.asset AND m.seq > n.first_seq
    WHERE m.seq > (SELECT min(first_seq) FROM newest)
    GROUP BY m.asset
)
SELECT
    r.asset, count(*) AS versions,
    quantile_cont(r.made.seconds, 0.1) AS seconds_low, avg(r.made.seconds) AS seconds_mean,
    quantile_cont(r.made.seconds, 0.9) AS seconds_high, stddev_pop(r.made.seconds) AS seconds_deviation,
    quantile_cont(r.made.rows, 0.1) AS rows_low, avg(r.made.rows) AS rows_mean,
    quantile_cont(r.made.rows, 0.9) AS rows_high, stddev_pop(r.made.rows) AS rows_deviation,
    quantile_cont(r.made.bytes, 0.1) AS bytes_low, avg(r.made.bytes) AS bytes_mean,
    quantile_cont(r.made.bytes, 0.9) AS bytes_high, stddev_pop(r.made.bytes) AS bytes_deviation
FROM recent AS r
GROUP BY r.asset
ORDER BY r.asset
