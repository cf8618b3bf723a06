"""Give a query's result an order of its own, so that the same rows always make the same data.

Called by `build.py`. SQL leaves the order of a result open without ORDER BY; the content hash does not.
"""

from __future__ import annotations

import sqlglot
from sqlglot import exp


def in_fixed_order(query: str) -> str:
    """Return the query as it is run: with `ORDER BY ALL` around it where it says nothing about order itself."""
    tree = sqlglot.parse_one(query, dialect="duckdb")
    if isinstance(tree, exp.Query) and tree.args.get("order") is not None:
        return query
    return f"SELECT * FROM (\n{query.rstrip().rstrip(';')}\n) ORDER BY ALL"
