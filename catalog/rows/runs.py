"""Who wrote, what is declared, and what runs tried: rows of records that move no pointer.

The statements run in this order; see the docstring of the folder.
"""

from __future__ import annotations

from .statement import on

STATEMENTS = (
    on(
        "session",
        """
        INSERT INTO session
        SELECT seq, "at", "user", identity, on_behalf_of, host, process, command, product, "commit", dirty
        FROM session_now
        """,
    ),
    on(
        "declared withdrawn",
        """
        INSERT INTO declaration
        SELECT seq, "at", p.asset, p.code_version, p.checks_version, payload
        FROM (SELECT seq, "at", payload, from_json(payload, '{"asset": "VARCHAR", "code_version": "VARCHAR",
                "checks_version": "VARCHAR"}') AS p FROM declared_now)
        UNION ALL
        SELECT seq, "at", asset, NULL, NULL, NULL FROM withdrawn_now
        ORDER BY seq
        """,
    ),
    on(
        "column_lineage",
        """
        INSERT INTO traced
        SELECT seq, asset, code_version, c.key, s[1], s[2], s[3]
        FROM (SELECT seq, asset, code_version, c, unnest(coalesce(c.value, [NULL])) AS s
            FROM (SELECT seq, asset, code_version, unnest(CASE WHEN cardinality(columns) > 0 THEN map_entries(columns)
                    ELSE [NULL] END) AS c
                FROM column_lineage_now))
        """,
    ),
    # A run that is resumed goes on under its name: it keeps its first start, and is running again.
    on(
        "run_started run_ended",
        """
        CREATE OR REPLACE TEMP TABLE start AS
        SELECT *, min(seq) OVER (PARTITION BY run) AS first_seq, min_by("at", seq) OVER (PARTITION BY run) AS first_at
        FROM run_started_now
        QUALIFY row_number() OVER (PARTITION BY run ORDER BY seq DESC) = 1
        """,
    ),
    on(
        "run_started",
        """
        MERGE INTO run USING start AS s ON run.run IS NOT DISTINCT FROM s.run
        WHEN MATCHED THEN UPDATE SET kind = s.kind, selection = s.selection, partitions = s.partitions,
            force = s.force, atomic = s.atomic, cells = s.cells, ended_at = NULL, state = 'running', made = NULL,
            fresh = NULL, failed = NULL, blocked = NULL, seconds = NULL, by_seq = s.by_seq, ended_seq = NULL,
            plan = s.plan, continues = s.continues
        WHEN NOT MATCHED THEN INSERT VALUES (s.run, s.kind, s.selection, s.partitions, s.force, s.atomic, s.cells,
            s.first_at, NULL, 'running', NULL, NULL, NULL, NULL, NULL, s.by_seq, s.first_seq, NULL,
            s.plan, s.continues)
        """,
    ),
    on(
        "run_ended",
        """
        UPDATE run SET ended_at = e."at", state = e.state, made = e.made, fresh = e.fresh, failed = e.failed,
            blocked = e.blocked, seconds = e.seconds, ended_seq = e.seq
        FROM (SELECT * FROM run_ended_now QUALIFY row_number() OVER (PARTITION BY run ORDER BY seq DESC) = 1) AS e
        WHERE run.run = e.run AND run.started_seq < e.seq
            AND NOT EXISTS (SELECT 1 FROM start AS s WHERE s.run = e.run AND s.seq > e.seq)
        """,
    ),
    # Only steps of started runs count: so no step is older than its run.
    on(
        "claimed",
        """
        INSERT INTO claim
        SELECT c.seq, c.run, TRY_CAST(c.s[1] AS INTEGER), c.s[2] ->> '$', json_array_length(c.s[3]), c.started_at
        FROM (SELECT seq, run, started_at, unnest(steps) AS s FROM claimed_now) AS c
        JOIN run ON run.run = c.run AND run.started_seq < c.seq
        ORDER BY c.seq, TRY_CAST(c.s[1] AS INTEGER)
        """,
    ),
    on(
        "failed",
        """
        INSERT INTO failure
        SELECT seq, "at", run, step, asset, partition, error, message, traceback, coalesce(attempt, 1) FROM failed_now
        """,
    ),
    on(
        "attempt_failed",
        """
        INSERT INTO failed_attempt
        SELECT seq, "at", run, step, asset, partition, attempt, error, message, traceback, seconds, wait_seconds
        FROM attempt_failed_now
        """,
    ),
    on("steered", 'INSERT INTO steering SELECT seq, "at", run, action, value, reason FROM steered_now'),
    on("blocked", 'INSERT INTO block SELECT seq, "at", run, asset, unnest(cells), reason FROM blocked_now'),
)
