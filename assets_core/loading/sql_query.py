"""Prepare a query for its run: prove that DuckDB can parse it, and give its result an order of its own.

Called by `build.py`. SQL leaves the order of a result open without ORDER BY; the content hash does not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb
import sqlglot
from sqlglot import exp

from ..errors import DefinitionError, Place, did_you_mean

KEY, KEYS = "partition_key", "partition_keys"
GIVEN = (KEY, "partition_start", "partition_end", KEYS)
"""The parameters that queries have whose asset has partitions: its key where it is one, keys where they are many."""

# What begins a line when a query is shown; words that belong to the one before go on in its line.
_CLAUSES = re.compile(
    r"FROM|WHERE|GROUP BY|HAVING|QUALIFY|WINDOW|ORDER BY|LIMIT|OFFSET|UNION|EXCEPT|INTERSECT|SELECT|WITH|JOIN"
)
_JOINS = re.compile(r"NATURAL|ASOF|POSITIONAL|LEFT|RIGHT|FULL|OUTER|INNER|CROSS|SEMI|ANTI")


def parameter_names(query: str, place: Place) -> Sequence[str]:
    """Return the names of a query's parameters, sorted.

    Raises: DefinitionError, with the line, where DuckDB cannot parse the query or it is not one statement.
    """
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
    return sorted(statements[0].named_parameters)


def in_lines(query: str) -> str:
    """Return a normalised query in lines, one a clause and one a column, to be read and compared by people.

    Only blanks between words become ends of lines, so that two queries look the same only if they are.
    """
    text, end, depth, begun = "", 0, 0, ""
    for token in sqlglot.tokenize(query, dialect="duckdb"):
        word, gap = query[token.start : token.end + 1], query[end : token.start]
        begins = _CLAUSES.fullmatch(word) and not (word == "JOIN" and _JOINS.fullmatch(begun))
        begins = begins or (_JOINS.fullmatch(word) and not _JOINS.fullmatch(begun))
        if gap == " " and text and (begins or begun == ","):
            gap = "\n" + "  " * (depth + (begun == ","))
        depth += (word in ("(", "[", "{")) - (word in (")", "]", "}"))
        text, end, begun = text + gap + word, token.end + 1, word
    return text + query[end:]


def batch_mistakes(query: str, column: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return what cannot be right about a query that makes many partitions, which `column` tells apart, with remedies.

    `names` are those of its parameters. What only the engine knows, as the columns of *, is left to the run.
    """
    mistakes = []
    if KEY in names:
        what = f"one query makes many partitions by batch={column!r}, so there is no ${KEY}"
        mistakes.append((what, f"use $partition_start and $partition_end, ${KEYS} (a list), or none of them"))
    tree = sqlglot.parse_one(query, dialect="duckdb").unnest()
    if not isinstance(tree, exp.Query):
        return mistakes
    if tree.args.get("limit") is not None or tree.args.get("offset") is not None:
        what = f"LIMIT counts the rows of all partitions together, which batch={column!r} makes with one query"
        mistakes.append((what, f"write QUALIFY row_number() OVER (PARTITION BY {column} ORDER BY ...) <= ..."))
    columns = tree.named_selects
    are_known = len(columns) == len(tree.selects) and all(columns) and not tree.is_star and not tree.args.get("by_name")
    if are_known and column not in columns:
        what = f"the query gives no column {column!r} to tell partitions apart by{did_you_mean(column, columns)}"
        mistakes.append((what, f"name it in batch=, or select it: AS {column}"))
    return mistakes


def in_fixed_order(query: str) -> str:
    """Return the query as it is run: with `ORDER BY ALL` around it where it says nothing about order itself."""
    tree = sqlglot.parse_one(query, dialect="duckdb")
    if isinstance(tree, exp.Query) and tree.args.get("order") is not None:
        return query
    tokens = sqlglot.tokenize(query, dialect="duckdb")
    end = next((token.start for token in tokens if token.token_type is sqlglot.TokenType.SEMICOLON), len(query))
    return f"SELECT * FROM ({query[:end]}\n) ORDER BY ALL"
