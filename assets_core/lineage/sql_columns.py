"""What a SQL query reads: its tables, its columns, and how each column of its result comes from them.

Called when a project is loaded (tables, canonical text), by a run (column lineage) and by `sql_reads.py`. It must not
know where data is or what was materialized.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import ParseError, TokenError

from ..errors import UserError, did_you_mean
from .sql_relations import RelationReader
from .sql_scope import How, Output, Reads, Relation, indirect

# The key of the columns that `column_lineage` cannot name: those of expressions without AS, of PIVOT, of COLUMNS(...)
UNNAMED = "*"

_WORDS = (TokenType.VAR, TokenType.IDENTIFIER)
_SEPARATORS = frozenset("()[]{},.")
_LIST = re.compile(r"(large_|fixed_size_)?list(_view)?<")


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """One column that a column of the result depends on.

    `how`: `identity` (copied or renamed), `transformed` (computed from it), `indirect` (it decides which rows there
    are or how they are ordered: filters, join keys, groups, sorting, windows, DISTINCT).
    """

    upstream: str
    column: str
    how: How


def query_tables(sql: str) -> tuple[str, ...]:
    """Return the tables a query reads, common table expressions left out, in order of appearance, each once.

    The parts of `db.table` are joined by `/`; quoted names keep their text.

    Raises: UserError where the text does not parse or is not one query.
    """
    return _tables(parse_query(sql))


def normalised(sql: str) -> str:
    """Return the canonical text of a query: comments, white space and the case of keywords do not count.

    It is made of the query's own words, not written anew from the parsed query, so that two queries of one canonical
    text can differ in nothing that matters.

    Raises: UserError where the text does not parse or is not one query.
    """
    names = {node.name for node in parse_query(sql).find_all(exp.Identifier, exp.Placeholder)}
    text = ""
    end = 0
    for token in sqlglot.tokenize(sql, dialect="duckdb"):
        if token.token_type is TokenType.SEMICOLON:
            continue
        word = sql[token.start : token.end + 1]
        if word[0].isalpha() and word[-1] != "'" and word not in names:
            word = " ".join(word.split()).upper()
        if text and (
            token.start > end
            or word[0] in _SEPARATORS
            or text[-1] in _SEPARATORS
            or _class(text[-1]) != _class(word[0])
        ):
            text += " "
        text += word
        end = token.end + 1
    return text


def column_lineage(sql: str, schemas: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, tuple[ColumnSource, ...]]:
    """Return, for each column of the result, the columns of the tables it depends on, sorted.

    What decides the rows is recorded on every column. A column that cannot be followed reads every column of every
    table. Columns whose names only the engine can tell stand together under `UNNAMED`.

    Shape: `schemas` maps each table of the query (its asset key) to its columns and their Arrow types.

    Raises: UserError where the query cannot be read, or where `schemas` lacks one of its tables.
    """
    result = _relation(sql, schemas)
    named = [column for column in result.columns if column.name]
    outputs = named if result.unlisted is None else [*named, Output(UNNAMED, result.unlisted)]
    everywhere = result.rows | indirect(frozenset(read for read in result.all_reads if read[2] == "indirect"))
    lineage: dict[str, Reads] = {}
    for output in outputs:
        lineage.setdefault(output.name, everywhere | output.reads)
    return {name: _sources(reads) for name, reads in lineage.items()}


def influencing_columns(sql: str, schemas: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, frozenset[str]]:
    """Return, for each table of a query, the columns that influence anything in its result.

    Raises: UserError, as `column_lineage` does.
    """
    result = _relation(sql, schemas)
    reads = result.rows | result.all_reads
    tables = schema_keys(_tables(parse_query(sql)), schemas).values()
    return {key: frozenset(column for table, column, _ in reads if table == key) for key in tables}


def _sources(reads: Reads) -> tuple[ColumnSource, ...]:
    hows: tuple[How, ...] = ("identity", "transformed", "indirect")
    return tuple(
        ColumnSource(table, column, hows[position])
        for table, column, position in sorted((table, column, hows.index(how)) for table, column, how in reads)
    )


def _relation(sql: str, schemas: Mapping[str, Sequence[tuple[str, str]]]) -> Relation:
    tree = parse_query(sql)
    keys = schema_keys(_tables(tree), schemas)
    tables = {
        name.lower(): Relation(
            tuple(Output(column, frozenset({(key, column, "identity")})) for column, _ in schemas[key])
        )
        for name, key in keys.items()
    }
    lists = frozenset((key, column) for key in keys.values() for column, of in schemas[key] if _LIST.match(of))
    try:
        result = RelationReader(tables, lists).read(tree)
    except RecursionError as error:
        raise _unreadable(sql, "its expressions are nested too deeply", 0) from error
    lost = words_lost(sql, tree)
    columns = (column for table in tables.values() for column in table.columns if column.name.lower() in lost)
    return replace(result, rows=result.rows.union(*(indirect(column.reads) for column in columns)))


def schema_keys(tables: Sequence[str], schemas: Mapping[str, object]) -> dict[str, str]:
    """Return the key in `schemas` of each table; the case of letters counts only where it must."""
    folded = {key.lower(): key for key in schemas}
    keys = {table: table if table in schemas else folded.get(table.lower(), "") for table in tables}
    for table, key in keys.items():
        if not key:
            raise UserError(
                f"the query reads {table!r}, whose columns are not known{did_you_mean(table, schemas)}",
                remedy="declare it as an upstream, or correct the name",
            )
    return keys


def _tables(tree: exp.Expr) -> tuple[str, ...]:
    places: dict[str, int] = {}
    waiting: list[tuple[exp.Expr, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        node, queries = waiting.pop()
        with_ = node.args.get("with_")
        for query in with_.expressions if with_ else ():
            itself = frozenset({query.alias.lower()})
            sees_itself = with_ is not None and with_.args.get("recursive") and isinstance(query.this, exp.SetOperation)
            waiting.append((query.this, queries | itself if sees_itself else queries))
            queries |= itself
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            parts = [part.name for part in node.parts]
            if len(parts) > 1 or parts[0].lower() not in queries:
                name, place = "/".join(parts), node.this.meta.get("start", 0)
                places[name] = min(place, places.get(name, place))
        waiting += [(child, queries) for child in node.iter_expressions() if child is not with_]
    return tuple(sorted(places, key=lambda name: places[name]))


def words_lost(sql: str, tree: exp.Expr) -> frozenset[str]:
    """Return the words of a query, in lower case, that may be names but did not become names when it was parsed.

    The parser makes the unit of `date_trunc(unit, at)` a constant even where `unit` is a column: such a column would be
    missed. Names of functions, parameters, and the units of EXTRACT and INTERVAL are none.
    """
    placed = {node.meta.get("start") for node in tree.find_all(exp.Identifier)}
    tokens = sqlglot.tokenize(sql, dialect="duckdb")
    words = Counter(
        token.text.lower()
        for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False)
        if token.token_type in _WORDS
        and token.start not in placed
        and not (after and after.token_type is TokenType.L_PAREN)
        and not (before and before.token_type is TokenType.PARAMETER)
    )
    words -= Counter(
        node.name.lower() for node in tree.find_all(exp.Var) if isinstance(node.parent, exp.Extract | exp.Interval)
    )
    words -= Counter("name" for node in tree.find_all(exp.SetOperation) if node.args.get("by_name"))
    return frozenset(words)


def _class(letter: str) -> str:
    """Return the sort of letter: between letters of one sort a gap in the text can matter."""
    return "word" if letter.isalnum() or letter in "_$'\"" else "symbol"


def parse_query(sql: str) -> exp.Expr:
    """Return a query as parsed.

    Raises: UserError where the text does not parse or is not one query.
    """
    try:
        trees = sqlglot.parse(sql, dialect="duckdb")
        statements = [tree for tree in trees if tree is not None and not isinstance(tree, exp.Semicolon)]
    except ParseError as error:
        first = error.errors[0]
        what = "a part is missing" if first["description"].startswith("Required") else "this word is not expected"
        raise _unreadable(sql, f"{what}: {first['highlight']!r}", _offset(sql, first)) from error
    except TokenError as error:
        raise _unreadable(sql, "a quote or comment that begins here does not end", _open_quote(sql)) from error
    except RecursionError as error:
        raise _unreadable(sql, "its expressions are nested too deeply", 0) from error
    if len(statements) != 1:
        raise UserError(
            f"{len(statements)} statements stand where one query belongs", remedy="write exactly one SELECT statement"
        )
    changing = statements[0].find(exp.DML, exp.DDL, exp.Command)
    if changing or not isinstance(statements[0], exp.Query | exp.Values | exp.Pivot):
        word = (changing or statements[0]).key.upper()
        raise UserError(f"{word} is not a query", remedy="write one SELECT statement that returns the rows")
    return statements[0]


def _unreadable(sql: str, what: str, offset: int) -> UserError:
    line, column = sql.count("\n", 0, offset) + 1, offset - sql.rfind("\n", 0, offset)
    return UserError(
        f"the SQL cannot be read at line {line}, column {column}: {what}", remedy="correct it (in DuckDB's dialect)"
    )


def _offset(sql: str, error: Mapping[str, int | str]) -> int:
    """Return where the word begins that the parser names by its line and its last column."""
    lines = sql.split("\n")
    before = sum(len(line) + 1 for line in lines[: int(error["line"]) - 1])
    return max(0, min(len(sql), before + int(error["col"]) - len(str(error["highlight"]))))


def _open_quote(sql: str) -> int:
    """Return where the last quote or comment begins before which all is well."""
    begin = 0
    for position, letter in enumerate(sql):
        if letter in "'\"$/":
            try:
                sqlglot.tokenize(sql[:position], dialect="duckdb")
            except TokenError:
                continue
            begin = position
    return begin
