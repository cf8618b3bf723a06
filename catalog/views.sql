-- What people ask for, put together from the tables of schema.sql. All of it works read-only, under any alias that is in USE.
-- `..._as_of(position)`: what was true after the record of that number; the views are as of the end.

CREATE MACRO position_at(moment) AS
(SELECT coalesce(max(r.seq), 0) FROM record AS r WHERE r."at" <= CAST(moment AS TIMESTAMP));
COMMENT ON MACRO position_at IS 'The greatest sequence number whose time is not later than a UTC time; 0 where there is none.';

CREATE MACRO asset_as_of("position") AS TABLE
SELECT d.asset, p.kind, nullif(p.partitions, 'null') AS partitions, d.code_version, d.checks_version, p.owners,
        p.tags, p."group" AS group_name, p.description, p.file, p.line, p.query, d.seq AS declared_seq
    FROM (SELECT t.*, from_json(t.document, '{"kind": "VARCHAR", "partitions": "JSON", "owners": ["VARCHAR"],
            "tags": "JSON", "group": "VARCHAR", "description": "VARCHAR", "file": "VARCHAR", "line": "BIGINT",
            "query": "VARCHAR"}') AS p
        FROM (SELECT * FROM declaration AS e WHERE e.seq <= "position"
            QUALIFY row_number() OVER (PARTITION BY e.asset ORDER BY e.seq DESC) = 1) AS t
        WHERE t.document IS NOT NULL) AS d;
COMMENT ON MACRO TABLE asset_as_of IS 'The declarations in force after a record, one row an asset.';

CREATE VIEW asset AS
FROM asset_as_of(9223372036854775807);
COMMENT ON VIEW asset IS 'Assets as they are declared now, one row each; a withdrawn asset has none.';
COMMENT ON COLUMN asset.asset IS 'asset key';
COMMENT ON COLUMN asset.kind IS 'function, sql or external';
COMMENT ON COLUMN asset.partitions IS 'definition of the set of partitions; NULL for an unpartitioned asset';
COMMENT ON COLUMN asset.code_version IS 'digest of the code that makes it';
COMMENT ON COLUMN asset.checks_version IS 'digest of its checks';
COMMENT ON COLUMN asset.owners IS 'who answers for it';
COMMENT ON COLUMN asset.tags IS 'object of free tags';
COMMENT ON COLUMN asset.group_name IS 'group it is shown in';
COMMENT ON COLUMN asset.description IS 'what it is';
COMMENT ON COLUMN asset.file IS 'file of the definition';
COMMENT ON COLUMN asset.line IS 'line of the definition, from 1';
COMMENT ON COLUMN asset.query IS 'SQL text; NULL unless kind is sql';
COMMENT ON COLUMN asset.declared_seq IS 'sequence number of the declared record in force';

CREATE MACRO upstream_as_of("position") AS TABLE
SELECT e.asset, e.place - 1 AS "position", e.u.name, e.u.asset AS upstream, nullif(e.u.mapping, 'null') AS mapping,
        e.u.columns, e.u.load
    FROM (SELECT d.asset, generate_subscripts(d.upstreams, 1) AS place, unnest(d.upstreams) AS u
        FROM (SELECT t.asset, from_json(t.document, '{"upstreams": [{"name": "VARCHAR", "asset": "VARCHAR",
                "mapping": "JSON", "columns": ["VARCHAR"], "load": "BOOLEAN"}]}').upstreams AS upstreams
            FROM declaration AS t WHERE t.seq IN (SELECT a.declared_seq FROM asset_as_of("position") AS a)) AS d) AS e;
COMMENT ON MACRO TABLE upstream_as_of IS 'What the assets declared then read, in the columns of the view upstream.';

CREATE VIEW upstream AS
FROM upstream_as_of(9223372036854775807);
COMMENT ON VIEW upstream IS 'What the assets declared now read, one row an edge.';
COMMENT ON COLUMN upstream.asset IS 'the asset that reads';
COMMENT ON COLUMN upstream.position IS 'place of the edge in the declaration, from 0';
COMMENT ON COLUMN upstream.name IS 'name the asset knows it by';
COMMENT ON COLUMN upstream.upstream IS 'key of the asset that is read';
COMMENT ON COLUMN upstream.mapping IS 'which partitions are read';
COMMENT ON COLUMN upstream.columns IS 'columns that are read; NULL where all count';
COMMENT ON COLUMN upstream.load IS 'whether its data is handed to the function';

CREATE MACRO column_lineage_as_of("position") AS TABLE
SELECT t.asset, t.column_name, t.upstream, t.upstream_column, t.how, t.code_version
    FROM traced AS t
    JOIN (SELECT l.asset, max(l.seq) AS seq FROM (
            SELECT r.asset, r.seq FROM traced AS r
            UNION ALL SELECT d.asset, d.seq FROM declaration AS d WHERE d.document IS NULL) AS l
        WHERE l.seq <= "position" GROUP BY l.asset) AS n ON n.asset = t.asset AND n.seq = t.seq
    WHERE t.column_name IS NOT NULL;
COMMENT ON MACRO TABLE column_lineage_as_of IS 'Which columns came from which then, in the columns of the view column_lineage.';

CREATE VIEW column_lineage AS
FROM column_lineage_as_of(9223372036854775807);
COMMENT ON VIEW column_lineage IS 'Which columns the columns of an asset come from, one row for each pair; a withdrawn asset has none.';
COMMENT ON COLUMN column_lineage.asset IS 'asset key';
COMMENT ON COLUMN column_lineage.column_name IS 'column of the asset';
COMMENT ON COLUMN column_lineage.upstream IS 'key of the asset it comes from';
COMMENT ON COLUMN column_lineage.upstream_column IS 'column it comes from';
COMMENT ON COLUMN column_lineage.how IS 'identity, transformed or indirect';
COMMENT ON COLUMN column_lineage.code_version IS 'code version this is true of';

CREATE VIEW materialization AS
SELECT m.seq, m."at", m.run, m.step, m.asset, m.partition, m.version, m.code_version, m.rows, m.bytes,
    CASE WHEN m.file IS NULL THEN m.asset || '/' || m.version || '.parquet' ELSE nullif(m.file, '') END AS file,
    m.position, m.seconds, m.metadata
FROM materialized AS m;
COMMENT ON VIEW materialization IS 'Every materialization, published or not, one row each.';
COMMENT ON COLUMN materialization.seq IS 'sequence number of the materialized record';
COMMENT ON COLUMN materialization."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN materialization.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN materialization.step IS 'number of its step within the run';
COMMENT ON COLUMN materialization.asset IS 'asset key';
COMMENT ON COLUMN materialization.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN materialization.version IS 'content hash, 64 hex digits';
COMMENT ON COLUMN materialization.code_version IS 'code version it was made with';
COMMENT ON COLUMN materialization.rows IS 'number of rows';
COMMENT ON COLUMN materialization.bytes IS 'size of the file in bytes';
COMMENT ON COLUMN materialization.file IS 'path below .assets/data';
COMMENT ON COLUMN materialization.position IS 'sequence number as of which the inputs were read';
COMMENT ON COLUMN materialization.seconds IS 'how long it took';
COMMENT ON COLUMN materialization.metadata IS 'what the step reported about it, an object; NULL where nothing';

CREATE MACRO failure_as_of("position") AS TABLE
SELECT f.*
    FROM (SELECT * FROM failure AS e WHERE e.seq <= "position"
        QUALIFY row_number() OVER (PARTITION BY e.asset, e.partition ORDER BY e.seq DESC) = 1) AS f
    LEFT JOIN publication AS p ON p.asset = f.asset AND p.partition IS NOT DISTINCT FROM f.partition
        AND p.published_seq <= "position" AND (p.superseded_seq IS NULL OR p.superseded_seq > "position")
    WHERE p.asset IS NULL OR f.seq > p.published_seq;
COMMENT ON MACRO TABLE failure_as_of IS 'The newest failure of every cell, as of a record, that was not published after it.';

CREATE VIEW cell_failure AS
FROM failure_as_of(9223372036854775807);
COMMENT ON VIEW cell_failure IS 'The newest failure of every cell that was not published since, one row a cell.';
COMMENT ON COLUMN cell_failure.seq IS 'sequence number of the failed record';
COMMENT ON COLUMN cell_failure."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN cell_failure.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN cell_failure.step IS 'number of its step within the run';
COMMENT ON COLUMN cell_failure.asset IS 'asset key';
COMMENT ON COLUMN cell_failure.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN cell_failure.error IS 'kind of the error';
COMMENT ON COLUMN cell_failure.message IS 'what it said';
COMMENT ON COLUMN cell_failure.traceback IS 'where it happened';
COMMENT ON COLUMN cell_failure.attempt IS 'which attempt of the run it was, the last one';

CREATE MACRO cell_as_of("position") AS TABLE
SELECT p.asset, p.partition,
        CASE WHEN f.seq > p.published_seq THEN 'failed since' WHEN o.seq IS NOT NULL THEN 'external' ELSE 'current'
            END AS state,
        coalesce(m.version, o.version) AS version,
        CASE WHEN m.file IS NULL THEN m.asset || '/' || m.version || '.parquet' ELSE nullif(m.file, '') END AS file,
        m.rows, m.bytes, coalesce(m."at", o."at") AS "at", coalesce(m.run, o.run) AS run, m.code_version,
        p.checks_version, p.ordinal, p.scheme, p.signature, m.seq AS materialized_seq, p.published_seq
    FROM publication AS p
    LEFT JOIN materialized AS m ON m.seq = p.source_seq
    LEFT JOIN observed AS o ON o.seq = p.source_seq
    LEFT JOIN (SELECT e.asset, e.partition, max(e.seq) AS seq FROM failure AS e WHERE e.seq <= "position"
            GROUP BY e.asset, e.partition) AS f
        ON f.asset = p.asset AND f.partition IS NOT DISTINCT FROM p.partition
    WHERE p.published_seq <= "position" AND (p.superseded_seq IS NULL OR p.superseded_seq > "position");
COMMENT ON MACRO TABLE cell_as_of IS 'The version of every cell that was current after a record, as the view cell shows it now.';

CREATE VIEW cell AS
FROM cell_as_of(9223372036854775807);
COMMENT ON VIEW cell IS 'The current version of every cell, one row for each asset and partition that was published or observed.';
COMMENT ON COLUMN cell.asset IS 'asset key';
COMMENT ON COLUMN cell.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN cell.state IS 'current, external (observed, not made), or failed since (the last attempt to make it anew failed)';
COMMENT ON COLUMN cell.version IS 'data version: content hash, or what an external store gave';
COMMENT ON COLUMN cell.file IS 'path below .assets/data; NULL for an external cell';
COMMENT ON COLUMN cell.rows IS 'number of rows; NULL for an external cell';
COMMENT ON COLUMN cell.bytes IS 'size of the file in bytes; NULL for an external cell';
COMMENT ON COLUMN cell."at" IS 'UTC time it was made or observed';
COMMENT ON COLUMN cell.run IS 'the run that made or observed it (UUID)';
COMMENT ON COLUMN cell.code_version IS 'code version it was made with; NULL for an external cell';
COMMENT ON COLUMN cell.checks_version IS 'checks that judged this version; NULL where none did';
COMMENT ON COLUMN cell.ordinal IS 'number of the partition when the version was made';
COMMENT ON COLUMN cell.scheme IS 'what the ordinal depends on: under another scheme the key has another one';
COMMENT ON COLUMN cell.signature IS 'text by which an unchanged external file is known again; NULL for a cell that was made';
COMMENT ON COLUMN cell.materialized_seq IS 'sequence number of the materialized record; NULL for an external cell';
COMMENT ON COLUMN cell.published_seq IS 'sequence number of the published, observed or rolled_back record that moved the pointer last';

CREATE VIEW check_result AS
SELECT j.seq, j."at", j.run, j.step, j.asset, j.partition, coalesce(j.version, m.version, o.version) AS version,
    j.check_name, j.severity, j.passed, j.failed_rows, j.message, j.failures, j.metrics
FROM judged AS j
LEFT JOIN materialized AS m ON m.seq = j.source_seq
LEFT JOIN observed AS o ON o.seq = j.source_seq;
COMMENT ON VIEW check_result IS 'Every verdict of a check, one row each.';
COMMENT ON COLUMN check_result.seq IS 'sequence number of the judged record';
COMMENT ON COLUMN check_result."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN check_result.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN check_result.step IS 'number of its step within the run';
COMMENT ON COLUMN check_result.asset IS 'asset key';
COMMENT ON COLUMN check_result.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN check_result.version IS 'the version that was judged';
COMMENT ON COLUMN check_result.check_name IS 'the check';
COMMENT ON COLUMN check_result.severity IS 'error (blocks publishing) or warn';
COMMENT ON COLUMN check_result.passed IS 'the verdict';
COMMENT ON COLUMN check_result.failed_rows IS 'rows that failed; NULL where the check does not count rows';
COMMENT ON COLUMN check_result.message IS 'what the check says';
COMMENT ON COLUMN check_result.failures IS 'list of {column, check, row, value}, a sample';
COMMENT ON COLUMN check_result.metrics IS 'object of numbers that the check measured';

CREATE MACRO check_as_of("position") AS TABLE
SELECT c.*
    FROM check_result AS c
    WHERE c.seq <= "position"
    QUALIFY row_number() OVER (PARTITION BY c.asset, c.partition, c.check_name ORDER BY c.seq DESC) = 1;
COMMENT ON MACRO TABLE check_as_of IS 'The latest verdict of each check on each cell, as of a record.';

CREATE VIEW step AS
WITH claimed AS (
    SELECT t.*, lead(t.seq) OVER (PARTITION BY t.run, t.step ORDER BY t.seq) AS again_seq FROM claim AS t),
outcome AS (
    SELECT m.run, m.step, m.seq, m."at", FALSE AS is_failure FROM materialized AS m
    UNION ALL SELECT j.run, j.step, j.seq, j."at", FALSE FROM judged AS j
    UNION ALL SELECT f.run, f.step, f.seq, f."at", TRUE FROM failure AS f
    UNION ALL SELECT a.run, a.step, a.seq, a."at", TRUE FROM failed_attempt AS a),
ended AS (
    SELECT c.run, c.step, c.seq, max_by(o."at", o.seq) AS ended_at, bool_or(o.is_failure) AS is_failure
    FROM claimed AS c JOIN outcome AS o ON o.run = c.run AND o.step = c.step AND o.seq > c.seq
        AND (c.again_seq IS NULL OR o.seq < c.again_seq)
    GROUP BY c.run, c.step, c.seq)
SELECT c.run, c.step, c.asset, c.cells, c.started_at, e.ended_at,
    CASE WHEN e.is_failure THEN 'failed' WHEN e.seq IS NOT NULL THEN 'done' WHEN r.ended_at IS NULL THEN 'running'
        ELSE 'interrupted' END AS state,
    c.seq AS claimed_seq
FROM claim AS c
JOIN run AS r ON r.run = c.run
LEFT JOIN ended AS e ON e.run = c.run AND e.step = c.step AND e.seq = c.seq;
COMMENT ON VIEW step IS 'Steps that a run began, one row for each time a worker took one up.';
COMMENT ON COLUMN step.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN step.step IS 'number of the step within the run';
COMMENT ON COLUMN step.asset IS 'asset key';
COMMENT ON COLUMN step.cells IS 'number of cells it covers';
COMMENT ON COLUMN step.started_at IS 'UTC time it began on the worker';
COMMENT ON COLUMN step.ended_at IS 'UTC time of the last record that tells its outcome; NULL while there is none';
COMMENT ON COLUMN step.state IS 'running, done (materialized or judged), failed (at least one cell failed) or interrupted (its run ended before it)';
COMMENT ON COLUMN step.claimed_seq IS 'sequence number of the claimed record';

CREATE VIEW input AS
WITH read AS (
    SELECT r.seq, r.name, r.upstream, t.asset, t.partition, t.version, t.position,
        unnest(range(r.first_ordinal, r.end_ordinal)) AS ordinal
    FROM materialization_input AS r JOIN materialized AS t ON t.seq = r.seq),
-- Removing a key of dynamic partitions moves the places of others, whether or not a cell is made under the new ones.
generation AS (
    SELECT g.set_name, g.seq AS first_seq, lead(g.seq) OVER (PARTITION BY g.set_name ORDER BY g.seq) AS end_seq
    FROM (SELECT set_name, 0 AS seq FROM partition_key
        UNION SELECT set_name, removed_seq FROM partition_key WHERE removed_seq IS NOT NULL) AS g),
place AS (
    SELECT g.*, k.key, row_number() OVER (PARTITION BY g.set_name, g.first_seq ORDER BY k.added_seq, k.place) - 1 AS ordinal
    FROM generation AS g JOIN partition_key AS k ON k.set_name = g.set_name
        AND (g.end_seq IS NULL OR k.added_seq < g.end_seq) AND (k.removed_seq IS NULL OR k.removed_seq > g.first_seq)),
found AS (
    SELECT i.*, p.partition AS upstream_partition, p.source_seq
    FROM read AS i
    ASOF JOIN numbering AS n ON n.asset = i.upstream AND n.seq <= i.position
    JOIN publication AS p ON p.asset = i.upstream AND p.ordinal = i.ordinal AND p.scheme = n.scheme
        AND p.published_seq <= i.position AND (p.superseded_seq IS NULL OR p.superseded_seq > i.position)
    WHERE NOT starts_with(n.scheme, 'dynamic ')
    UNION ALL
    SELECT i.*, p.partition, p.source_seq
    FROM (SELECT r.* FROM read AS r
        WHERE r.upstream IN (SELECT d.asset FROM numbering AS d WHERE starts_with(d.scheme, 'dynamic '))) AS i
    ASOF JOIN numbering AS n ON n.asset = i.upstream AND n.seq <= i.position
    JOIN place AS l ON l.set_name = regexp_extract(n.scheme, '(?s)^dynamic (.*) [0-9]+$', 1) AND l.ordinal = i.ordinal
        AND l.first_seq <= i.position AND (l.end_seq IS NULL OR i.position < l.end_seq)
    JOIN publication AS p ON p.asset = i.upstream AND p.partition = l.key
        AND p.published_seq <= i.position AND (p.superseded_seq IS NULL OR p.superseded_seq > i.position)
    WHERE starts_with(n.scheme, 'dynamic '))
SELECT i.seq, i.asset, i.partition, i.version, i.name, i.upstream, i.upstream_partition,
    coalesce(u.version, o.version) AS upstream_version, i.source_seq AS upstream_seq, i.position
FROM found AS i
LEFT JOIN materialized AS u ON u.seq = i.source_seq
LEFT JOIN observed AS o ON o.seq = i.source_seq;
COMMENT ON VIEW input IS 'What every materialization read, version by version: one row for each upstream cell that was there.';
COMMENT ON COLUMN input.seq IS 'sequence number of the materialized record';
COMMENT ON COLUMN input.asset IS 'asset key';
COMMENT ON COLUMN input.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN input.version IS 'version that was made';
COMMENT ON COLUMN input.name IS 'name the asset knew the upstream by';
COMMENT ON COLUMN input.upstream IS 'key of the asset that was read';
COMMENT ON COLUMN input.upstream_partition IS 'partition key of the cell that was read; NULL for an unpartitioned asset';
COMMENT ON COLUMN input.upstream_version IS 'version that was read';
COMMENT ON COLUMN input.upstream_seq IS 'the materialized or observed record of that version';
COMMENT ON COLUMN input.position IS 'sequence number as of which it was read';

CREATE VIEW event AS
WITH told AS (
    SELECT s.seq, 'session' AS kind, NULL AS run, NULL AS asset, NULL AS partition,
        'began: ' || array_to_string(s.command, ' ') AS text FROM session AS s
    UNION ALL SELECT d.seq, CASE WHEN d.document IS NULL THEN 'withdrawn' ELSE 'declared' END, NULL, d.asset, NULL,
        CASE WHEN d.document IS NULL THEN 'is no longer declared' ELSE 'is declared, new or changed' END
        FROM declaration AS d
    UNION ALL SELECT r.started_seq, 'run_started', r.run, NULL, NULL,
        concat(r.kind, ' of ', r.selection, ' ' || r.partitions, ': ', r.cells, ' cells planned') FROM run AS r
    UNION ALL SELECT r.ended_seq, 'run_ended', r.run, NULL, NULL, concat(r.state, ': ', r.made, ' made, ', r.fresh,
        ' fresh, ', r.failed, ' failed, ', r.blocked, ' blocked') FROM run AS r WHERE r.ended_seq IS NOT NULL
    UNION ALL SELECT m.seq, 'materialized', m.run, m.asset, m.partition,
        concat('made version ', m.version[1:12], ', ', m.rows, ' rows') FROM materialized AS m
    UNION ALL SELECT o.seq, 'observed', o.run, o.asset, o.partition, concat('seen at version ', o.version[1:12])
        FROM observed AS o
    UNION ALL SELECT p.published_seq, 'published', NULL, p.asset, p.partition,
        concat('is now what record ', p.source_seq, ' made') FROM publication AS p ANTI JOIN rollback AS r
        ON r.seq = p.published_seq WHERE p.source_seq <> p.published_seq
    UNION ALL SELECT r.seq, 'rolled_back', NULL, r.asset, r.partition,
        concat('goes back to version ', r.version[1:12], ' (', r.to_text, ')', ': ' || r.reason) FROM rollback AS r
    UNION ALL SELECT j.seq, 'judged', j.run, j.asset, j.partition,
        concat('check ', j.check_name, ' did not pass (', j.severity, ')', ': ' || nullif(j.message, ''))
        FROM judged AS j WHERE NOT j.passed
    UNION ALL SELECT f.seq, 'failed', f.run, f.asset, f.partition, concat(f.error, ': ', f.message) FROM failure AS f
    UNION ALL SELECT a.seq, 'attempt_failed', a.run, a.asset, a.partition, concat(a.error, ': ', a.message, ' (attempt ',
        a.attempt, ', to be tried again)') FROM failed_attempt AS a
    UNION ALL SELECT s.seq, 'steered', s.run, NULL, NULL, concat('asked to ', s.action, ' ' || s.value, ': ' || s.reason)
        FROM steering AS s
    UNION ALL SELECT s.seq, CASE WHEN s.is_planned THEN 'found_fresh' ELSE 'skipped' END, s.run, s.asset, s.partition,
        CASE WHEN s.last_ordinal > s.first_ordinal THEN concat('and those up to ', s.last_partition, ', ',
            s.last_ordinal - s.first_ordinal + 1, ' cells, were found fresh') ELSE 'was found fresh' END FROM skip AS s
    UNION ALL SELECT b.seq, 'blocked', b.run, b.asset, b.partition, concat('was not tried: ', b.reason)
        FROM block AS b
    UNION ALL SELECT k.added_seq, 'partitions_added', NULL, NULL, NULL,
        concat('partitions ', k.set_name, ' gained ', count(*), ' keys: ', min_by(k.key, k.place),
            CASE WHEN count(*) > 1 THEN ' ...' END) FROM partition_key AS k GROUP BY k.added_seq, k.set_name
    UNION ALL SELECT k.removed_seq, 'partitions_removed', NULL, NULL, NULL,
        concat('partitions ', k.set_name, ' lost ', count(*), ' keys: ', min(k.key), CASE WHEN count(*) > 1 THEN ' ...' END)
        FROM partition_key AS k WHERE k.removed_seq IS NOT NULL GROUP BY k.removed_seq, k.set_name
    UNION ALL SELECT c.seq, 'collected', NULL, c.asset, NULL,
        concat('file of version ', c.version[1:12], ' was removed: ', c.reason) FROM collection AS c
    UNION ALL SELECT s.seq, 'sealed', NULL, NULL, NULL, concat('journal sealed to record ', s.last) FROM seal AS s
    UNION ALL SELECT p.seq, 'pruned', NULL, NULL, NULL, concat(p.dropped, ' records of ', p.segment,
        ' lost their text: ', p.reason) FROM pruning AS p
    UNION ALL SELECT g.seq, 'loss_accepted', NULL, NULL, NULL,
        concat('records ', g."first", ' to ', g."last", ' are gone: ', g.reason) FROM loss AS g
    UNION ALL SELECT o.seq, o.kind, NULL, NULL, NULL, 'a record that this version does not know' FROM other_record AS o)
SELECT t.seq, r."at", coalesce(s.identity, s.user_name) || coalesce(' on behalf of ' || s.on_behalf_of, '') AS who,
    t.kind, t.run, t.asset, t.partition, t.text
FROM told AS t
LEFT JOIN record AS r ON r.seq = t.seq
LEFT JOIN session AS s ON s.seq = r.by_seq;
COMMENT ON VIEW event IS 'What happened, in words: one row for each thing that a person may want to know. Lately: WHERE seq > position_at(...).';
COMMENT ON COLUMN event.seq IS 'sequence number of the record';
COMMENT ON COLUMN event."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN event.who IS 'who ran the process that wrote it';
COMMENT ON COLUMN event.kind IS 'kind of the record';
COMMENT ON COLUMN event.run IS 'the run it belongs to (UUID); NULL where to none';
COMMENT ON COLUMN event.asset IS 'asset key; NULL where it is about none';
COMMENT ON COLUMN event.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN event.text IS 'what happened, in words';
