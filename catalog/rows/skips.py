"""Which cells runs found fresh, as ranges, and what was compared: rows of records that tell why nothing was made.

The statements run in this order; see the docstring of the folder. Older records name each cell, and no more.
"""

from __future__ import annotations

from .statement import on

_SPAN = "r[3], r[4], scheme, TRY_CAST(r[1] AS BIGINT), TRY_CAST(r[2] AS BIGINT)"


def _lanes(text: str) -> str:
    """Return the two columns of a digest of two lanes, 32 hex digits."""
    return f"TRY_CAST('0x' || {text}[1:16] AS UBIGINT), TRY_CAST('0x' || {text}[17:32] AS UBIGINT)"


STATEMENTS = (
    on(
        "skipped",
        f"""
        INSERT INTO skip
        SELECT seq, "at", run, asset, {_SPAN}, FALSE
        FROM (SELECT *, unnest(ranges) AS r FROM skipped_now)
        UNION ALL
        SELECT seq, "at", run, asset, c, c, NULL, NULL, NULL, FALSE FROM (SELECT *, unnest(cells) AS c FROM skipped_now)
        ORDER BY seq
        """,
    ),
    on(
        "skipped",
        f"""
        INSERT INTO comparison
        SELECT seq, asset, position, code_version, number, {_lanes("recipes")}
        FROM skipped_now WHERE ranges IS NOT NULL
        """,
    ),
    on(
        "skipped",
        f"""
        INSERT INTO comparison_input
        SELECT seq, asset, i[1], i[2], TRY_CAST(i[3] AS BIGINT), TRY_CAST(i[4] AS BIGINT), {_lanes("i[5]")}
        FROM (SELECT seq, asset, unnest(reads) AS i FROM skipped_now)
        """,
    ),
    on(
        "found_fresh",
        f"""
        INSERT INTO skip
        SELECT seq, "at", run, asset, {_SPAN}, TRUE
        FROM (SELECT seq, "at", run, a.asset AS asset, a.scheme AS scheme, unnest(a.ranges) AS r
            FROM (SELECT *, unnest(assets) AS a FROM found_fresh_now))
        """,
    ),
    on(
        "found_fresh",
        f"""
        INSERT INTO comparison
        SELECT seq, a.asset, position, a.code_version, a.number, {_lanes("a.recipes")}
        FROM (SELECT *, unnest(assets) AS a FROM found_fresh_now)
        """,
    ),
)
