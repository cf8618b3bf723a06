"""Prepare a query for its run: prove that DuckDB can parse it, and give its result an order of its own.

Called by `build.py`. SQL leaves the order of a result open without ORDER BY; the content hash does not.
"""

from __future__ import annotations

import re

import duckdb
import sqlglot
from sqlglot import exp

from ..errors import DefinitionError, Place


def check_syntax(query: str, place: Place) -> None:
    """Raise DefinitionError, with the line, where DuckDB cannot parse the query or it is not one statement."""
    with duckdb.connect() as connection:
        try:
            statements = connection.extract_statements(query)
        except duckdb.ParserException as error:
            text = str(error)
            line = int(found[1]) if (found := re.search(r"LINE (\d+):", text)) else place.line
            # A file's query keeps the lines of the file; that of sql_asset() is counted from its own first line.
            where = Place(place.file, line) if place.file.endswith(".sql") else place
            what = text.partition("\n")[0].removeprefix("Parser Error: ")
            near = text.rpartition("LINE ")[2].partition(": ")[2].partition("\n")[0]
            raise DefinitionError(f"{what}: {near}", place=where, remedy="correct the query") from error
    if len(statements) != 1:
        raise DefinitionError(f"there are {len(statements)} statements", place=place, remedy="write one SELECT")


def in_fixed_order(query: str) -> str:
    """Return the query as it is run: with `ORDER BY ALL` around it where it says nothing about order itself."""
    tree = sqlglot.parse_one(query, dialect="duckdb")
    if isinstance(tree, exp.Query) and tree.args.get("order") is not None:
        return query
    tokens = sqlglot.tokenize(query, dialect="duckdb")
    end = next((token.start for token in tokens if token.token_type is sqlglot.TokenType.SEMICOLON), len(query))
    return f"SELECT * FROM ({query[:end]}\n) ORDER BY ALL"
