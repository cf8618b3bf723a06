-- Records up to $last whose text nothing needs: a text with a character for each, 1 where it may be dropped. Needed is
-- what a version comes from that is current now, or was at the first record of $before or later, or whose data is kept
-- (superseded after $data_since, or among the newest $versions versions of its cell), with every digest that the file of
-- such a version was written with; see docs/journal.md.
WITH RECURSIVE old AS (
    -- The first record that is not old: no younger one is looked at, and none since the start of a run that goes on.
    SELECT least(
        $last::BIGINT + 1,
        (SELECT min(r.seq) FROM record AS r WHERE r."at" >= CAST($before AS TIMESTAMP)),
        (SELECT min(r.started_seq) FROM run AS r WHERE r.ended_seq IS NULL)
    ) AS end_seq),
move AS (
    SELECT p.asset, p.partition, p.published_seq, p.superseded_seq, p.source_seq, coalesce(m.version, o.version) AS version,
        p.published_seq = p.source_seq AS is_seen, b.seq IS NOT NULL AS is_back
    FROM publication AS p
    LEFT JOIN materialized AS m ON m.seq = p.source_seq
    LEFT JOIN observed AS o ON o.seq = p.source_seq
    LEFT JOIN rollback AS b ON b.seq = p.published_seq AND b.asset = p.asset AND b.partition IS NOT DISTINCT FROM p.partition),
-- Of cells that were observed or rolled back: what else a replay must have to give the same again.
changed AS (
    SELECT *, lag(published_seq) OVER w AS before_seq, version IS DISTINCT FROM lag(version) OVER w AS is_change,
        lag(published_seq) OVER (PARTITION BY asset, partition, version ORDER BY published_seq) AS gone_back_to
    FROM move WHERE (asset, coalesce(partition, '')) IN (
        SELECT (asset, coalesce(partition, '')) FROM move WHERE is_seen OR is_back)
    WINDOW w AS (PARTITION BY asset, partition ORDER BY published_seq)),
stretch AS (
    SELECT *, count(*) FILTER (is_change) OVER (PARTITION BY asset, partition ORDER BY published_seq) AS number FROM changed),
told AS (
    -- The verdict that counts for an observation of the same version; where there is none, what came before that version.
    SELECT asset, partition, published_seq, is_back, is_seen, gone_back_to,
        max(CASE WHEN NOT is_seen THEN published_seq END) OVER (v ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS judged_by,
        first_value(before_seq) OVER v AS border
    FROM stretch WINDOW v AS (PARTITION BY asset, partition, number ORDER BY published_seq)),
newest AS (
    SELECT asset, partition, max(published_seq) AS published_seq FROM move WHERE NOT is_seen
    GROUP BY asset, partition, version
    QUALIFY row_number() OVER (PARTITION BY asset, partition ORDER BY max(published_seq) DESC) <= $versions),
needed(asset, partition, published_seq, is_exact) AS (
    SELECT m.asset, m.partition, m.published_seq, TRUE
    FROM move AS m, old WHERE m.superseded_seq IS NULL OR m.superseded_seq >= old.end_seq
    UNION
    SELECT m.asset, m.partition, m.published_seq, TRUE
    FROM move AS m JOIN record AS r ON r.seq = m.superseded_seq WHERE r."at" > CAST($data_since AS TIMESTAMP)
    UNION
    SELECT m.asset, m.partition, m.published_seq, TRUE FROM newest AS m
    UNION
    SELECT n.asset, n.partition, f.seq, n.is_exact AND f.is_exact
    FROM needed AS n JOIN (
        SELECT asset, partition, published_seq, gone_back_to AS seq, TRUE AS is_exact, FALSE AS is_told
        FROM told WHERE is_back AND gone_back_to IS NOT NULL
        UNION ALL
        SELECT asset, partition, published_seq, coalesce(judged_by, border), judged_by IS NOT NULL, TRUE
        FROM told WHERE is_seen AND coalesce(judged_by, border) IS NOT NULL
    ) AS f ON f.asset = n.asset AND f.partition IS NOT DISTINCT FROM n.partition AND f.published_seq = n.published_seq
        AND (n.is_exact OR NOT f.is_told)),
source AS (
    SELECT DISTINCT m.source_seq AS seq
    FROM move AS m SEMI JOIN needed AS n ON n.asset = m.asset AND n.partition IS NOT DISTINCT FROM m.partition
        AND n.published_seq = m.published_seq),
written AS (
    SELECT max(m.seq) AS seq
    FROM materialized AS m SEMI JOIN (
        SELECT t.asset, t.version FROM materialized AS t SEMI JOIN source USING (seq)
    ) AS k ON k.asset = m.asset AND k.version = m.version
    WHERE m.file_digest_b IS NOT NULL
    GROUP BY m.asset, m.version, m.file_digest_a, m.file_digest_b
    HAVING NOT bool_or(m.seq IN (SELECT s.seq FROM source AS s))),
verdict AS (
    SELECT j.seq, j.run FROM judged AS j SEMI JOIN source AS s ON s.seq = j.source_seq
    UNION
    SELECT j.seq, j.run FROM judged AS j JOIN cell_failure AS f ON f.run = j.run AND f.step = j.step
        AND f.asset = j.asset AND f.partition IS NOT DISTINCT FROM j.partition),
at_work AS (
    SELECT m.run FROM materialized AS m SEMI JOIN source USING (seq)
    UNION SELECT o.run FROM observed AS o SEMI JOIN source USING (seq)
    UNION SELECT v.run FROM verdict AS v
    UNION SELECT f.run FROM cell_failure AS f
    UNION SELECT r.run FROM run AS r, old WHERE r.ended_seq >= old.end_seq),
kept AS (
    SELECT published_seq AS seq FROM needed
    UNION ALL SELECT seq FROM source
    UNION ALL SELECT seq FROM written
    UNION ALL SELECT seq FROM verdict
    UNION ALL SELECT seq FROM numbering
    UNION ALL SELECT seq FROM reading
    UNION ALL SELECT seq FROM cell_failure
    UNION ALL SELECT unnest([r.started_seq, r.ended_seq]) FROM run AS r SEMI JOIN at_work USING (run))
SELECT bitstring_agg(r.seq, 1::BIGINT, $last::BIGINT)
FROM record AS r ANTI JOIN kept ON kept.seq = r.seq, old
WHERE r.seq < old.end_seq AND r.kind IN ('claimed', 'found_fresh', 'skipped', 'blocked', 'failed', 'judged', 'materialized', 'published',
    'observed', 'run_started', 'run_ended',
    'attempt_failed', 'steered')
