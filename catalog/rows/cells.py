"""What was made, seen and judged, and where the pointers point: materializations, verdicts, publications.

The statements run in this order; see the docstring of the folder. A pointer, or a verdict, names the newest record
before it, `materialized` or `observed`, of its cell and version: that is its source. A `rolled_back` record is the
first of its batch (apply.py sees to it), so that all it can go back to is in the tables.
"""

from __future__ import annotations

from .statement import on

_STANDARD_FILE = "asset || '/' || version || '.parquet'"


def _lanes(member: str, name: str) -> str:
    """Return the two columns of a digest of two lanes, 32 hex digits."""
    return (
        f"TRY_CAST('0x' || {member}[1:16] AS UBIGINT) AS {name}_a, "
        f"TRY_CAST('0x' || {member}[17:32] AS UBIGINT) AS {name}_b"
    )


_MADE = ", ".join(
    (_lanes("token", "token"), _lanes("recipe", "recipe"), _lanes("whole", "whole"), _lanes("code_lanes", "code"))
)
_POINTING = "published observed rolled_back materialized judged"

STATEMENTS = (
    on(
        "materialized",
        f"""
        INSERT INTO materialized
        SELECT seq, "at", run, step, asset, partition, version, code_version, rows, bytes,
            nullif(coalesce(file, ''), {_STANDARD_FILE}), position, seconds, {_lanes("file_digest", "file_digest")},
            nullif(metadata, 'null')
        FROM materialized_now
        """,
    ),
    on(
        "materialized",
        """
        INSERT INTO materialization_input
        WITH in_force AS (
            SELECT m.seq, d.seq AS declared_seq
            FROM materialized_now AS m ASOF JOIN declaration AS d ON m.asset = d.asset AND m.seq > d.seq),
        known AS (
            SELECT declared_seq, u.name, any_value(u.asset) AS upstream
            FROM (SELECT d.seq AS declared_seq, unnest(from_json(d.document, '{"upstreams": [{"name": "VARCHAR",
                    "asset": "VARCHAR"}]}').upstreams) AS u
                FROM declaration AS d WHERE d.seq IN (SELECT f.declared_seq FROM in_force AS f))
            GROUP BY ALL)
        SELECT input.seq, i[1], known.upstream, TRY_CAST(i[2] AS BIGINT), TRY_CAST(i[3] AS BIGINT),
            TRY_CAST('0x' || i[4][1:16] AS UBIGINT)
        FROM (SELECT seq, unnest(inputs) AS i FROM materialized_now) AS input
        LEFT JOIN in_force ON in_force.seq = input.seq
        LEFT JOIN known ON known.declared_seq = in_force.declared_seq AND known.name = i[1]
        ORDER BY input.seq
        """,
    ),
    on(
        "materialized",
        f"""
        INSERT INTO materialization_column
        SELECT seq, position - 1, c[1], c[2], {_lanes("c[3]", "digest")}
        FROM (SELECT seq, generate_subscripts(columns, 1) AS position, unnest(columns) AS c FROM materialized_now)
        """,
    ),
    on("observed", 'INSERT INTO observed SELECT seq, "at", run, asset, partition, version FROM observed_now'),
    on(
        "materialized observed",
        """
        INSERT INTO numbering
        WITH made AS (
            SELECT seq, asset, scheme FROM materialized_now
            UNION ALL SELECT seq, asset, scheme FROM observed_now
            UNION ALL SELECT max(seq), asset, max_by({'s': scheme}, seq).s FROM numbering GROUP BY asset)
        SELECT seq, asset, scheme
        FROM (SELECT *, lag(seq) OVER w IS NULL OR scheme IS DISTINCT FROM lag(scheme) OVER w AS is_new
            FROM made WINDOW w AS (PARTITION BY asset ORDER BY seq))
        WHERE is_new AND seq > $applied
        """,
    ),
    on(
        "materialized",
        """
        INSERT INTO reading
        WITH made AS (
            SELECT seq, asset, nullif(reads, 'null') AS reads FROM materialized_now
            UNION ALL SELECT max(seq), asset, max_by({'r': reads}, seq).r FROM reading GROUP BY asset)
        SELECT seq, asset, reads
        FROM (SELECT *, lag(seq) OVER w IS NULL AND reads IS NOT NULL
                OR lag(seq) OVER w IS NOT NULL AND reads IS DISTINCT FROM lag(reads) OVER w AS is_new
            FROM made WINDOW w AS (PARTITION BY asset ORDER BY seq))
        WHERE is_new AND seq > $applied
        """,
    ),
    # The newest record of a cell and version: mostly one of this batch, or else an older one.
    on(
        _POINTING,
        """
        CREATE OR REPLACE TEMP TABLE naming AS
        SELECT row_number() OVER () AS id, *
        FROM (
            SELECT seq, c[1] AS asset, c[2] AS partition, c[3] AS version, c[4] AS checks_version, TRUE AS moves
            FROM (SELECT seq, generate_subscripts(cells, 1) AS place, unnest(cells) AS c FROM published_now)
            QUALIFY row_number() OVER (PARTITION BY seq, c[1], c[2] ORDER BY place DESC) = 1
            UNION ALL
            SELECT seq, asset, partition, version, NULL, FALSE FROM judged_now)
        """,
    ),
    on(
        _POINTING,
        """
        CREATE OR REPLACE TEMP TABLE source AS
        SELECT n.id, max(s.seq) AS seq
        FROM naming AS n JOIN (
            SELECT seq, asset, partition, version FROM materialized_now
            UNION ALL SELECT seq, asset, partition, version FROM observed_now
        ) AS s ON s.asset = n.asset AND s.partition IS NOT DISTINCT FROM n.partition AND s.version = n.version
            AND s.seq < n.seq
        GROUP BY n.id
        """,
    ),
    on(
        "published judged",
        "CREATE OR REPLACE TEMP TABLE looked_for AS SELECT n.* FROM naming AS n ANTI JOIN source USING (id)",
    ),
    on(
        "published judged",
        """
        INSERT INTO source
        SELECT n.id, max(s.seq)
        FROM looked_for AS n JOIN (
            SELECT seq, asset, partition, version FROM materialized
            UNION ALL SELECT seq, asset, partition, version FROM observed
        ) AS s ON s.asset = n.asset AND s.partition IS NOT DISTINCT FROM n.partition AND s.version = n.version
            AND s.seq < n.seq
        GROUP BY n.id
        """,
        needs="looked_for",
    ),
    on(
        "judged",
        """
        INSERT INTO judged
        SELECT j.seq, j."at", j.run, j.step, j.asset, j.partition, s.seq, CASE WHEN s.seq IS NULL THEN j.version END,
            j."check", j.severity, j.passed, j.failed_rows, j.message, nullif(j.failures, 'null'),
            nullif(j.metrics, 'null')
        FROM judged_now AS j JOIN naming AS n ON n.seq = j.seq AND NOT n.moves LEFT JOIN source AS s ON s.id = n.id
        ORDER BY j.seq
        """,
    ),
    on(
        _POINTING,
        """
        CREATE OR REPLACE TEMP TABLE move AS
        SELECT n.seq, n.asset, n.partition, n.version, n.checks_version, TRUE AS is_judged, s.seq AS source_seq
        FROM naming AS n JOIN source AS s ON s.id = n.id
        WHERE n.moves
        UNION ALL
        SELECT seq, asset, partition, version, NULL, FALSE, seq FROM observed_now
        """,
    ),
    on(
        "rolled_back",
        """
        INSERT INTO rollback
        SELECT seq, "at", c[1], c[2], c[3], "to", reason
        FROM (SELECT *, generate_subscripts(cells, 1) AS place, unnest(cells) AS c FROM rolled_back_now)
        QUALIFY row_number() OVER (PARTITION BY seq, c[1], c[2] ORDER BY place DESC) = 1
        """,
    ),
    on(
        "rolled_back",
        """
        INSERT INTO move
        SELECT b.seq, b.asset, b.partition, b.version, p.checks_version, TRUE, p.source_seq
        FROM (SELECT r.* FROM rollback AS r WHERE r.seq > $applied) AS b
        JOIN publication AS p ON p.asset = b.asset AND p.partition IS NOT DISTINCT FROM b.partition
        LEFT JOIN materialized AS m ON m.seq = p.source_seq
        LEFT JOIN observed AS o ON o.seq = p.source_seq
        WHERE p.published_seq <= $applied AND coalesce(m.version, o.version) = b.version
        QUALIFY row_number() OVER (PARTITION BY b.asset, b.partition ORDER BY p.published_seq DESC) = 1
        """,
    ),
    # Observing again what was judged leaves it judged: the checks count from the last move since the version changed.
    on(
        "observed",
        """
        UPDATE move SET checks_version = verdict.checks_version
        FROM (
            WITH seen AS (SELECT DISTINCT asset, partition FROM observed_now),
            known AS (
                SELECT m.seq, m.asset, m.partition, m.version, m.checks_version, m.is_judged FROM move AS m
                UNION ALL
                SELECT p.published_seq, p.asset, p.partition, coalesce(m.version, o.version), p.checks_version, TRUE
                FROM publication AS p
                JOIN seen ON seen.asset = p.asset AND seen.partition IS NOT DISTINCT FROM p.partition
                LEFT JOIN materialized AS m ON m.seq = p.source_seq
                LEFT JOIN observed AS o ON o.seq = p.source_seq
                WHERE p.superseded_seq IS NULL),
            changed AS (
                SELECT *, seq = min(seq) OVER w OR version IS DISTINCT FROM lag(version) OVER w AS is_change
                FROM known WINDOW w AS (PARTITION BY asset, partition ORDER BY seq)),
            stretch AS (
                SELECT *, count(*) FILTER (is_change) OVER (PARTITION BY asset, partition ORDER BY seq) AS number
                FROM changed)
            SELECT seq, is_judged, last_value(CASE WHEN is_judged THEN {'checks': checks_version} END IGNORE NULLS)
                OVER (PARTITION BY asset, partition, number ORDER BY seq).checks AS checks_version
            FROM stretch
        ) AS verdict
        WHERE move.seq = verdict.seq AND NOT move.is_judged AND NOT verdict.is_judged
        """,
    ),
    on(
        _POINTING,
        """
        CREATE OR REPLACE TEMP TABLE older AS SELECT DISTINCT source_seq AS seq FROM move WHERE source_seq <= $applied
        """,
    ),
    on(
        _POINTING,
        f"""
        CREATE OR REPLACE TEMP TABLE made AS
        SELECT seq, ordinal, scheme, {_MADE}, NULL::VARCHAR AS signature FROM materialized_now
        UNION ALL BY NAME
        SELECT seq, ordinal, scheme, {_lanes("token", "token")}, signature FROM observed_now
        """,
    ),
    on(
        "published rolled_back",
        "INSERT INTO made BY NAME SELECT u.* FROM unpublished AS u SEMI JOIN older USING (seq)",
        needs="older",
    ),
    on(
        "published rolled_back",
        """
        INSERT INTO made BY NAME
        SELECT p.source_seq AS seq, p.ordinal, p.scheme, p.token_a, p.token_b, p.recipe_a, p.recipe_b, p.whole_a,
            p.whole_b, p.code_a, p.code_b, p.signature
        FROM publication AS p JOIN older ON older.seq = p.source_seq
        QUALIFY row_number() OVER (PARTITION BY p.source_seq ORDER BY p.published_seq) = 1
        """,
        needs="older",
    ),
    on("published rolled_back", "DELETE FROM unpublished WHERE seq IN (SELECT o.seq FROM older AS o)", needs="older"),
    on(
        "materialized",
        """
        INSERT INTO unpublished
        SELECT m.seq, m.ordinal, m.scheme, m.token_a, m.token_b, m.recipe_a, m.recipe_b, m.whole_a, m.whole_b,
            m.code_a, m.code_b
        FROM made AS m ANTI JOIN move ON move.source_seq = m.seq
        WHERE m.seq IN (SELECT n.seq FROM materialized_now AS n)
        ORDER BY m.seq
        """,
    ),
    on(
        "published observed rolled_back",
        """
        UPDATE publication SET superseded_seq = next.seq
        FROM (SELECT asset, partition, min(seq) AS seq FROM move GROUP BY asset, partition) AS next
        WHERE publication.asset = next.asset AND publication.partition IS NOT DISTINCT FROM next.partition
            AND publication.superseded_seq IS NULL
        """,
    ),
    on(
        "published observed rolled_back",
        """
        INSERT INTO publication
        SELECT v.asset, v.partition, m.ordinal, m.scheme, v.seq,
            lead(v.seq) OVER (PARTITION BY v.asset, v.partition ORDER BY v.seq), v.source_seq, m.token_a, m.token_b,
            m.recipe_a, m.recipe_b, m.whole_a, m.whole_b, m.code_a, m.code_b, v.checks_version, m.signature
        FROM move AS v JOIN made AS m ON m.seq = v.source_seq
        ORDER BY v.seq, v.source_seq
        """,
    ),
)
