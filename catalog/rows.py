"""What a record becomes: the SQL statements that turn the records of a batch into rows, in the order they run.

Run by apply.py. They know the payloads (docs/journal.md) and the tables (schema.sql), nothing else. Batches of any size
end in the same tables: every rule goes by `seq`. A member that a payload lacks, or of another type, becomes NULL.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL to run when a batch has records of one of the kinds.

    `$lines` is bound to a JSON list of those records, in order; `$applied` to the last sequence number applied before.
    """

    kinds: frozenset[str]
    sql: str


def _on(kinds: str, sql: str) -> Statement:
    return Statement(frozenset(kinds.split()), sql)


STATEMENTS = (
    _on(
        "session",
        """
        INSERT INTO session
        SELECT r.seq, r."at", p.user, p.host, p.process, p.command, p.product, p.commit, p.dirty
        FROM (SELECT r, r.payload AS p
        FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "at": "TIMESTAMP", "payload": {
            "user": "VARCHAR", "host": "VARCHAR", "process": "BIGINT", "command": ["VARCHAR"], "product": "VARCHAR",
            "commit": "VARCHAR", "dirty": "BOOLEAN"}}]')) AS r))
        """,
    ),
    _on(
        "declared withdrawn",
        """
        INSERT INTO declaration
        SELECT r.seq, r."at", p.asset,
            CASE WHEN r.kind = 'declared' THEN p.code_version END,
            CASE WHEN r.kind = 'declared' THEN p.checks_version END,
            CASE WHEN r.kind = 'declared' THEN r.payload END
        FROM (SELECT r, from_json(r.payload, '{"asset": "VARCHAR", "code_version": "VARCHAR",
                "checks_version": "VARCHAR"}') AS p
            FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "at": "TIMESTAMP", "kind": "VARCHAR",
                "payload": "JSON"}]')) AS r))
        """,
    ),
    _on(
        "declared withdrawn",
        "DELETE FROM asset WHERE asset IN (SELECT d.asset FROM declaration AS d WHERE d.seq > $applied)",
    ),
    _on(
        "declared withdrawn",
        "DELETE FROM upstream WHERE asset IN (SELECT d.asset FROM declaration AS d WHERE d.seq > $applied)",
    ),
    _on(
        "declared withdrawn",
        """
        CREATE OR REPLACE TEMP TABLE declared_now AS
        SELECT * FROM declaration WHERE seq > $applied
        QUALIFY row_number() OVER (PARTITION BY asset ORDER BY seq DESC) = 1 AND document IS NOT NULL
        """,
    ),
    _on(
        "declared",
        """
        INSERT INTO asset
        SELECT d.asset, p.kind, nullif(p.partitions, 'null'), d.code_version, d.checks_version, p.owners, p.tags,
            p."group", p.description, p.file, p.line, p.query, d.seq
        FROM (SELECT d, from_json(d.document, '{"kind": "VARCHAR", "partitions": "JSON", "owners": ["VARCHAR"],
            "tags": "JSON", "group": "VARCHAR", "description": "VARCHAR", "file": "VARCHAR", "line": "BIGINT",
            "query": "VARCHAR"}') AS p FROM declared_now AS d)
        """,
    ),
    _on(
        "declared",
        """
        INSERT INTO upstream
        SELECT asset, position - 1, u.name, u.asset, nullif(u.mapping, 'null'), u.columns, u.load
        FROM (SELECT asset, generate_subscripts(us, 1) AS position, unnest(us) AS u
            FROM (SELECT asset, from_json(document, '{"upstreams": [{"name": "VARCHAR", "asset": "VARCHAR",
                "mapping": "JSON", "columns": ["VARCHAR"], "load": "BOOLEAN"}]}').upstreams AS us FROM declared_now))
        """,
    ),
    # A run that is resumed goes on under its name: it keeps its first start, and is running again.
    _on(
        "run_started run_ended",
        """
        CREATE OR REPLACE TEMP TABLE started_now AS
        SELECT p.run, max_by(p, r.seq) AS p, max_by(r."by", r.seq) AS by_seq, max(r.seq) AS last_seq,
            min_by(r."at", r.seq) AS started_at, min(r.seq) AS started_seq
        FROM (SELECT r, r.payload AS p
        FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "at": "TIMESTAMP", "by": "BIGINT",
            "kind": "VARCHAR", "payload": {"run": "VARCHAR", "kind": "VARCHAR", "selection": "VARCHAR",
            "partitions": "VARCHAR", "force": "BOOLEAN", "cells": "BIGINT"}}]')) AS r))
        WHERE r.kind = 'run_started' GROUP BY p.run
        """,
    ),
    _on(
        "run_started",
        """
        MERGE INTO run USING started_now AS s ON run.run = s.run
        WHEN MATCHED THEN UPDATE SET kind = s.p.kind, selection = s.p.selection, partitions = s.p.partitions,
            force = s.p.force, cells = s.p.cells, ended_at = NULL, state = 'running', made = NULL, fresh = NULL,
            failed = NULL, blocked = NULL, seconds = NULL, by_seq = s.by_seq
        WHEN NOT MATCHED THEN INSERT VALUES (s.run, s.p.kind, s.p.selection, s.p.partitions, s.p.force, s.p.cells,
            s.started_at, NULL, 'running', NULL, NULL, NULL, NULL, NULL, s.by_seq, s.started_seq)
        """,
    ),
    _on(
        "run_started run_ended",
        """
        UPDATE run SET ended_at = e."at", state = e.p.state, made = e.p.made, fresh = e.p.fresh,
            failed = e.p.failed, blocked = e.p.blocked, seconds = e.p.seconds
        FROM (SELECT r.payload.run, max_by(r."at", r.seq) AS "at", max_by(r.payload, r.seq) AS p, max(r.seq) AS seq
            FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "at": "TIMESTAMP", "kind": "VARCHAR",
                "payload": {"run": "VARCHAR", "state": "VARCHAR", "made": "BIGINT", "fresh": "BIGINT",
                "failed": "BIGINT", "blocked": "BIGINT", "seconds": "DOUBLE"}}]')) AS r)
            WHERE r.kind = 'run_ended' GROUP BY r.payload.run) AS e
        WHERE run.run = e.run AND run.started_seq < e.seq
            AND NOT EXISTS (SELECT 1 FROM started_now AS s WHERE s.run = e.run AND s.last_seq > e.seq)
        """,
    ),
    # Only steps of started runs count: so no step is older than its run, and old steps need not be looked through.
    _on(
        "claimed",
        """
        INSERT INTO step
        SELECT r.payload.step, r.payload.run, r.payload.asset, len(r.payload.cells), r.payload.started_at, NULL,
            'running', r.seq
        FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "payload": {"run": "VARCHAR", "step": "VARCHAR",
            "asset": "VARCHAR", "cells": ["VARCHAR"], "started_at": "TIMESTAMP"}}]')) AS r)
        JOIN run ON run.run = r.payload.run AND run.started_seq < r.seq
        """,
    ),
    _on(
        "materialized",
        """
        CREATE OR REPLACE TEMP TABLE materialized_now AS
        SELECT r.seq, r."at", unnest(r.payload)
        FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "at": "TIMESTAMP", "payload": {"run": "VARCHAR",
            "step": "VARCHAR", "asset": "VARCHAR", "partition": "VARCHAR", "ordinal": "BIGINT",
            "scheme": "VARCHAR", "version": "VARCHAR",
            "token": "VARCHAR", "recipe": "VARCHAR", "code_version": "VARCHAR", "code_lanes": "VARCHAR",
            "rows": "BIGINT", "bytes": "BIGINT", "file": "VARCHAR", "columns": [["VARCHAR"]],
            "inputs": [["VARCHAR"]], "position": "BIGINT", "seconds": "DOUBLE"}}]')) AS r)
        """,
    ),
    _on(
        "materialized",
        """
        INSERT INTO materialization
        SELECT seq, "at", run, step, asset, partition, ordinal, scheme, version,
            TRY_CAST('0x' || token[1:16] AS UBIGINT), TRY_CAST('0x' || token[17:32] AS UBIGINT),
            TRY_CAST('0x' || recipe[1:16] AS UBIGINT), TRY_CAST('0x' || recipe[17:32] AS UBIGINT), code_version,
            TRY_CAST('0x' || code_lanes[1:16] AS UBIGINT), TRY_CAST('0x' || code_lanes[17:32] AS UBIGINT),
            rows, bytes, file, position, seconds
        FROM materialized_now
        """,
    ),
    _on(
        "materialized",
        """
        INSERT INTO materialization_input
        WITH input AS (SELECT seq, asset, partition, unnest(inputs) AS i FROM materialized_now),
        in_force AS (
            SELECT m.seq, d.seq AS declared_seq
            FROM materialized_now AS m ASOF JOIN declaration AS d ON m.asset = d.asset AND m.seq > d.seq),
        known AS (
            SELECT declared_seq, u.name, any_value(u.asset) AS upstream
            FROM (SELECT d.seq AS declared_seq, unnest(from_json(d.document, '{"upstreams": [{"name": "VARCHAR",
                    "asset": "VARCHAR"}]}').upstreams) AS u
                FROM declaration AS d WHERE d.seq IN (SELECT f.declared_seq FROM in_force AS f))
            GROUP BY ALL)
        SELECT input.seq, input.asset, input.partition, i[1], known.upstream,
            TRY_CAST(i[2] AS BIGINT), TRY_CAST(i[3] AS BIGINT),
            TRY_CAST('0x' || i[4][1:16] AS UBIGINT), TRY_CAST('0x' || i[4][17:32] AS UBIGINT)
        FROM input LEFT JOIN in_force ON in_force.seq = input.seq
        LEFT JOIN known ON known.declared_seq = in_force.declared_seq AND known.name = i[1]
        """,
    ),
    _on(
        "materialized",
        """
        INSERT INTO materialization_column
        SELECT seq, position - 1, c[1], c[2], c[3]
        FROM (SELECT seq, generate_subscripts(columns, 1) AS position, unnest(columns) AS c FROM materialized_now)
        """,
    ),
    _on(
        "observed",
        """
        INSERT INTO observation
        SELECT r.seq, r."at", p.run, p.asset, p.partition, p.ordinal, p.scheme, p.version,
            TRY_CAST('0x' || p.token[1:16] AS UBIGINT), TRY_CAST('0x' || p.token[17:32] AS UBIGINT), p.signature
        FROM (SELECT r, r.payload AS p
        FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "at": "TIMESTAMP", "payload": {"run": "VARCHAR",
            "asset": "VARCHAR", "partition": "VARCHAR", "ordinal": "BIGINT",
            "scheme": "VARCHAR", "version": "VARCHAR", "token": "VARCHAR",
            "signature": "VARCHAR"}}]')) AS r))
        """,
    ),
    _on(
        "judged",
        """
        INSERT INTO check_result
        SELECT r.seq, r."at", p.run, p.step, p.asset, p.partition, p.version, p."check", p.severity, p.passed,
            p.failed_rows, p.message, nullif(p.failures, 'null'), nullif(p.metrics, 'null')
        FROM (SELECT r, r.payload AS p
        FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "at": "TIMESTAMP", "payload": {"run": "VARCHAR",
            "step": "VARCHAR", "asset": "VARCHAR", "partition": "VARCHAR", "version": "VARCHAR", "check": "VARCHAR",
            "severity": "VARCHAR", "passed": "BOOLEAN", "failed_rows": "BIGINT", "message": "VARCHAR",
            "failures": "JSON", "metrics": "JSON"}}]')) AS r))
        """,
    ),
    _on(
        "failed",
        """
        INSERT INTO failure
        SELECT r.seq, r."at", p.run, p.step, p.asset, p.partition, p.error, p.message, p.traceback
        FROM (SELECT r, r.payload AS p
        FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "at": "TIMESTAMP", "payload": {"run": "VARCHAR",
            "step": "VARCHAR", "asset": "VARCHAR", "partition": "VARCHAR", "error": "VARCHAR", "message": "VARCHAR",
            "traceback": "VARCHAR"}}]')) AS r))
        """,
    ),
    _on(
        "skipped",
        """
        INSERT INTO skip
        SELECT r.seq, r."at", r.payload.run, r.payload.asset, unnest(r.payload.cells)
        FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "at": "TIMESTAMP", "payload": {"run": "VARCHAR",
            "asset": "VARCHAR", "cells": ["VARCHAR"]}}]')) AS r)
        """,
    ),
    _on(
        "blocked",
        """
        INSERT INTO block
        SELECT r.seq, r."at", r.payload.run, r.payload.asset, unnest(r.payload.cells), r.payload.reason
        FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "at": "TIMESTAMP", "payload": {"run": "VARCHAR",
            "asset": "VARCHAR", "cells": ["VARCHAR"], "reason": "VARCHAR"}}]')) AS r)
        """,
    ),
    _on(
        "materialized judged failed",
        """
        CREATE OR REPLACE TEMP TABLE outcome_now AS
        SELECT run, step, seq, "at", FALSE AS failed FROM materialization WHERE seq > $applied
        UNION ALL SELECT run, step, seq, "at", FALSE FROM check_result WHERE seq > $applied
        UNION ALL SELECT run, step, seq, "at", TRUE FROM failure WHERE seq > $applied
        """,
    ),
    _on(
        "materialized judged failed",
        """
        UPDATE step SET ended_at = e.ended_at,
            state = CASE WHEN e.failed OR step.state = 'failed' THEN 'failed' ELSE 'done' END
        FROM (
            SELECT s.claimed_seq, max_by(o."at", o.seq) AS ended_at, bool_or(o.failed) AS failed
            FROM step AS s JOIN outcome_now AS o ON o.step = s.step AND o.run = s.run AND o.seq > s.claimed_seq
            WHERE s.claimed_seq > (SELECT min(r.started_seq) FROM run AS r
                WHERE r.run IN (SELECT o.run FROM outcome_now AS o))
            GROUP BY s.claimed_seq) AS e
        WHERE step.claimed_seq = e.claimed_seq
        """,
    ),
    # A pointer moves to the newest record of that cell and version: mostly one of this batch, or else an older one.
    _on(
        "published observed",
        """
        CREATE OR REPLACE TEMP TABLE pointer_move AS
        WITH published AS (
            SELECT seq, c[1] AS asset, c[2] AS partition, c[3] AS version, c[4] AS checks_version
            FROM (SELECT r.seq, generate_subscripts(r.payload.cells, 1) AS position, unnest(r.payload.cells) AS c
                FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "kind": "VARCHAR",
                    "payload": {"cells": [["VARCHAR"]]}}]')) AS r)
                WHERE r.kind = 'published')
            QUALIFY row_number() OVER (PARTITION BY seq, c[1], c[2] ORDER BY position DESC) = 1),
        source AS (
            SELECT seq, asset, partition, version FROM materialization WHERE seq > $applied
            UNION ALL SELECT seq, asset, partition, version FROM observation WHERE seq > $applied)
        SELECT p.*, TRUE AS judged, max(s.seq) AS source_seq
        FROM published AS p LEFT JOIN source AS s ON s.asset = p.asset
            AND s.partition IS NOT DISTINCT FROM p.partition AND s.version = p.version AND s.seq < p.seq
        GROUP BY ALL
        UNION ALL
        SELECT seq, asset, partition, version, NULL, FALSE, seq FROM observation WHERE seq > $applied
        """,
    ),
    _on(
        "published",
        """
        UPDATE pointer_move SET source_seq = older.source_seq
        FROM (
            SELECT m.seq, m.asset, m.partition, max(s.seq) AS source_seq
            FROM pointer_move AS m JOIN (
                SELECT seq, asset, partition, version FROM materialization
                UNION ALL SELECT seq, asset, partition, version FROM observation
            ) AS s ON s.asset = m.asset AND s.partition IS NOT DISTINCT FROM m.partition AND s.version = m.version
                AND s.seq < m.seq
            WHERE m.source_seq IS NULL
            GROUP BY ALL) AS older
        WHERE pointer_move.seq = older.seq AND pointer_move.asset = older.asset
            AND pointer_move.partition IS NOT DISTINCT FROM older.partition
        """,
    ),
    _on("published", "DELETE FROM pointer_move WHERE source_seq IS NULL"),
    _on(
        "published observed",
        "INSERT INTO publication SELECT seq, asset, partition, version, source_seq FROM pointer_move",
    ),
    # Observing again what was judged leaves it judged: the checks count from the last move since the version changed.
    _on(
        "observed",
        """
        UPDATE pointer_move SET checks_version = verdict.checks_version
        FROM (
            WITH seen AS (
                SELECT * FROM pointer_move
                QUALIFY row_number() OVER (PARTITION BY asset, partition ORDER BY seq DESC) = 1 AND NOT judged),
            earlier AS (
                SELECT asset, partition, version, checks_version, judged, seq FROM pointer_move
                UNION ALL
                SELECT c.asset, c.partition, c.version, c.checks_version, TRUE, c.published_seq
                FROM cell AS c SEMI JOIN seen AS n
                    ON n.asset = c.asset AND n.partition IS NOT DISTINCT FROM c.partition)
            SELECT n.seq, arg_max_null(e.checks_version, e.seq) FILTER (e.judged) AS checks_version
            FROM seen AS n JOIN earlier AS e
                ON n.asset = e.asset AND n.partition IS NOT DISTINCT FROM e.partition AND e.seq < n.seq
            GROUP BY n.seq
            HAVING max(e.seq) FILTER (e.judged) > coalesce(max(e.seq) FILTER (e.version <> n.version), -1)
        ) AS verdict
        WHERE pointer_move.seq = verdict.seq AND NOT pointer_move.judged
        """,
    ),
    _on(
        "published observed",
        """
        MERGE INTO cell USING (
            WITH newest AS (
                SELECT * FROM pointer_move
                QUALIFY row_number() OVER (PARTITION BY asset, partition ORDER BY seq DESC) = 1),
            source AS (
                SELECT seq, ordinal, scheme, token_a, token_b, recipe_a, recipe_b, code_version, code_a, code_b, rows,
                    bytes, file, seq AS materialized_seq, NULL AS signature
                FROM materialization
                UNION ALL BY NAME
                SELECT seq, ordinal, scheme, token_a, token_b, signature FROM observation)
            SELECT n.asset, n.partition, n.version, n.checks_version, n.seq AS published_seq, s.* EXCLUDE (seq)
            FROM newest AS n JOIN source AS s ON s.seq = n.source_seq
        ) AS moved ON cell.asset = moved.asset AND cell.partition IS NOT DISTINCT FROM moved.partition
        WHEN MATCHED THEN UPDATE BY NAME
        WHEN NOT MATCHED THEN INSERT BY NAME
        """,
    ),
    _on(
        "column_lineage withdrawn",
        """
        CREATE OR REPLACE TEMP TABLE lineage_now AS
        SELECT r.seq, r.kind, r.payload.asset, r.payload.code_version, r.payload.columns
        FROM (SELECT unnest(from_json($lines, '[{"seq": "BIGINT", "kind": "VARCHAR", "payload": {"asset": "VARCHAR",
            "code_version": "VARCHAR", "columns": "MAP(VARCHAR, VARCHAR[][])"}}]')) AS r)
        QUALIFY row_number() OVER (PARTITION BY r.payload.asset ORDER BY r.seq DESC) = 1
        """,
    ),
    _on(
        "column_lineage withdrawn",
        "DELETE FROM column_lineage WHERE asset IN (SELECT l.asset FROM lineage_now AS l)",
    ),
    _on(
        "column_lineage",
        """
        INSERT INTO column_lineage
        SELECT asset, c.key, s[1], s[2], s[3], code_version
        FROM (SELECT asset, code_version, c, unnest(c.value) AS s
            FROM (SELECT asset, code_version, unnest(map_entries(columns)) AS c
                FROM lineage_now WHERE kind = 'column_lineage'))
        """,
    ),
)
