"""Which columns of its tables a query reads, so that a change of the others, or a new column, changes nothing.

Called by a step that runs a query. Every name that the query uses counts, whether or not it bears on the result. What
is not understood reads everything; no column may ever be left out. It knows no data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import TokenType, exp

from ..errors import UserError
from ..model.reads import ColumnsRead
from .sql_columns import influencing_columns, parse_query, query_tables, schema_keys, words_lost
from .sql_names import Level, Named, Notes, NotUnderstood, Source

if TYPE_CHECKING:
    import pyarrow as pa

_CLAUSES = {"order", "limit", "offset"}
_MEMBERS: dict[type[exp.Expr], set[str]] = {
    exp.Select: {"with_", "expressions", "distinct", "from_", "joins", "laterals", "where", "group", "having"}
    | {"qualify", "windows", *_CLAUSES},
    exp.SetOperation: {"with_", "this", "expression", "distinct", "by_name", *_CLAUSES},
    exp.Subquery: {"with_", "this", "alias", "joins", *_CLAUSES},
    exp.Values: {"expressions", "alias", *_CLAUSES},
    exp.Table: {"this", "db", "catalog", "alias", "joins"},
    exp.Join: {"this", "side", "kind", "method", "on", "using"},
    exp.Lateral: {"this", "view", "outer", "alias"},
    exp.Unnest: {"expressions", "alias", "offset"},
    exp.With: {"expressions", "recursive"},
    exp.CTE: {"this", "alias", "materialized"},
}
_PASSING = {"with_", "expressions", "from_", "joins", "laterals", "where"}  # past these, the columns of * only pass


def columns_read(query: str, schemas: Mapping[str, Sequence[str]]) -> dict[str, ColumnsRead | None]:
    """Return, for each table, what the query reads of it; None where everything counts, also a column added later.

    Shape: `schemas` maps each table of the query to the names of its columns.
    """
    try:
        return _columns_read(query, schemas)
    except (NotUnderstood, UserError, RecursionError):
        return dict.fromkeys(schemas)


@dataclass(slots=True)
class QueryReads:
    """Remembers `columns_read` by query and by the schemas of its tables, for the many partitions of an asset."""

    _known: dict[str, list[tuple[Mapping[str, pa.Schema], dict[str, ColumnsRead | None]]]] = field(default_factory=dict)

    def of(self, query: str, schemas: Mapping[str, pa.Schema]) -> dict[str, ColumnsRead | None]:
        """Return what `columns_read` does."""
        known = self._known.setdefault(query, [])
        for others, reads in known:
            if others == schemas:  # far quicker than to list, or to hash, the names
                return reads
        reads = columns_read(query, {name: schema.names for name, schema in schemas.items()})
        known.append((schemas, reads))
        return reads


def _columns_read(query: str, schemas: Mapping[str, Sequence[str]]) -> dict[str, ColumnsRead | None]:
    tree = parse_query(query)
    keys = schema_keys(query_tables(query), schemas)
    if set(keys.values()) != set(schemas):
        raise NotUnderstood
    tables = {
        name.lower(): Named(tuple((c.lower(), frozenset({(key, c)})) for c in schemas[key]), frozenset({key}))
        for name, key in keys.items()
    }
    notes = Notes()
    notes.take(_Reader(tables, notes).query(tree, Level(None, {})))
    words = _words_not_placed(query, tree)
    if words_lost(query, tree) or any(type(node).__name__.startswith(_WITHOUT_BRACKETS) for node in tree.walk()):
        notes.with_schema |= schemas.keys()  # a new column of that name would come before
    influencing = influencing_columns(query, {key: [(name, "") for name in names] for key, names in schemas.items()})
    found: dict[str, ColumnsRead | None] = {}
    for key, columns in schemas.items():
        names = {column for table, column in notes.columns if table == key}
        is_doubtful = not influencing[key] <= names or any(column.lower() in words for column in columns)
        everything = key in notes.everything or is_doubtful
        found[key] = None if everything else ColumnsRead(tuple(sorted(names)), key in notes.with_schema)
    return found


_WITHOUT_BRACKETS = ("Current", "Local", "Session", "UtcDate", "UtcTime")


def _words_not_placed(query: str, tree: exp.Expr) -> frozenset[str]:
    """Return the words, in lower case, that the parser took for something else than a name."""
    placed = {node.meta.get("start") for node in tree.find_all(exp.Identifier)}
    tokens = sqlglot.tokenize(query, dialect="duckdb")
    return frozenset(
        token.text.lower()
        for token, after in zip(tokens, [*tokens[1:], None], strict=True)
        if token.start not in placed
        and token.token_type is not TokenType.STRING
        and not (after and after.token_type is TokenType.L_PAREN)
    )


class _Reader:
    """Walks a parsed query and notes each name in it. `tables` are known by their names in lower case."""

    def __init__(self, tables: Mapping[str, Named], notes: Notes) -> None:
        self._tables = tables
        self._notes = notes

    def query(self, node: exp.Expr, outer: Level) -> Named:
        """Note what a query reads, and return what it gives."""
        known = next((members for kind, members in _MEMBERS.items() if isinstance(node, kind)), None)
        if known is None:
            raise NotUnderstood
        _require_members(node)
        with_ = node.args.get("with_")
        around = self._with(with_, outer) if with_ else outer
        if isinstance(node, exp.Select):
            return self._select(node, around.inner())
        level = around.inner()
        if isinstance(node, exp.SetOperation):
            result = self._combined(node, self.query(node.this, around), self.query(node.expression, around))
        elif isinstance(node, exp.Subquery) and not node.args.get("joins"):
            result = self.query(node.this, around)
        elif isinstance(node, exp.Values):
            self._children(node, level, "expressions")
            result = Named((), is_whole=False)
        else:
            raise NotUnderstood
        if any(node.args.get(clause) for clause in _CLAUSES):
            self._notes.take(result)
            level.sources.append(Source((), result))
            self._children(node, level, *_CLAUSES)
        return result

    def _with(self, node: exp.With, outer: Level) -> Level:
        _require_members(node)
        queries = dict(outer.queries)
        level = Level(outer, queries)
        for query in node.expressions:
            _require_members(query)
            name, body, alias = query.alias.lower(), query.this, query.args.get("alias")
            if node.args.get("recursive") and isinstance(body, exp.SetOperation):
                first = self.query(body.this, level)
                self._notes.take(first)
                queries[name] = _renamed(Named(tuple((word, frozenset()) for word, _ in first.columns)), alias)
                self._notes.take(self.query(body.expression, level))
                queries[name] = Named(queries[name].columns, is_whole=first.is_whole and not body.args.get("by_name"))
            else:
                queries[name] = self._aliased(self.query(body, level), alias)
        return level

    def _combined(self, node: exp.SetOperation, left: Named, right: Named) -> Named:
        self._notes.take(left)
        self._notes.take(right)
        words = [word for word, _ in (*left.columns, *(right.columns if node.args.get("by_name") else ()))]
        columns = tuple((word, frozenset[tuple[str, str]]()) for word in dict.fromkeys(words))
        return Named(columns, is_whole=left.is_whole and right.is_whole and len(columns) == len(words))

    def _select(self, node: exp.Select, level: Level) -> Named:
        level.aliases = frozenset(item.alias.lower() for item in node.expressions if item.alias)
        if from_ := node.args.get("from_"):
            self._source(from_.this, level)
        for join in node.args.get("joins") or ():
            self._join(join, level)
        for lateral in node.args.get("laterals") or ():
            self._source(lateral, level)
        passes = all(key in _PASSING for key, value in node.args.items() if value)
        result = Named(())
        for item in node.expressions:
            result = result.beside(self._item(item, level))
        if not passes or not result.has_each_once:
            self._notes.take(result)
            result = Named(tuple((word, frozenset()) for word, _ in result.columns), is_whole=result.has_each_once)
        clauses = _MEMBERS[exp.Select] - {"with_", "expressions", "from_", "joins", "laterals"}
        self._children(node, level, *clauses)
        return result

    def _item(self, item: exp.Expr, level: Level) -> Named:
        """Note what an element of the SELECT list reads, and return its columns; those of * are not read by that."""
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            star = item if isinstance(item, exp.Star) else item.this
            path = tuple(part.name.lower() for part in item.parts[:-1]) if isinstance(item, exp.Column) else ()
            result = Named(())
            for source in level.starred(path):
                result = result.beside(source.named)
            self._notes.with_schema |= level.growing()
            if not any(star.args.values()):
                return result
            self._notes.take(result)
            self._expression(star, level)
            return Named((), is_whole=False)
        self._expression(item, level)
        if item.alias:
            return Named(((item.alias.lower(), frozenset()),))
        if isinstance(item, exp.Column):
            return Named(((item.name.lower(), frozenset()),))
        return Named((), is_whole=False)

    def _join(self, join: exp.Join, level: Level) -> None:
        _require_members(join)
        if join.method in ("NATURAL", "POSITIONAL") or join.kind == "POSITIONAL":
            raise NotUnderstood
        before = len(level.sources)
        self._source(join.this, level)
        if join.kind in ("SEMI", "ANTI"):
            for source in level.sources[before:]:
                source.is_sure = False
        for name in join.args.get("using") or ():
            level.note([name.name], self._notes)
            if len(level.sources) > 2:
                self._notes.with_schema |= level.growing()
        self._children(join, level, "on")

    def _source(self, node: exp.Expr, level: Level) -> None:
        """Add what stands in FROM to a level, with what is joined to it."""
        _require_members(node)
        alias = node.args.get("alias")
        path: tuple[str, ...] = (alias.name.lower(),) if alias and alias.name else ()
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
            if alias:
                raise NotUnderstood
            self._source(node.this, level)  # a join in parentheses: its names are seen from outside
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            words = tuple(part.name.lower() for part in node.parts)
            query = level.queries.get(words[0]) if len(words) == 1 else None
            named = query or self._tables.get("/".join(words))
            if named is None:
                raise NotUnderstood
            level.sources.append(Source(path or words, self._aliased(named, alias)))
        elif isinstance(node, exp.Subquery | exp.Values) and not node.args.get("joins"):
            named = self.query(node.this if isinstance(node, exp.Subquery) else node, level.beside())
            level.sources.append(Source(path, self._aliased(named, alias)))
            if isinstance(node, exp.Subquery) and any(node.args.get(clause) for clause in ("with_", *_CLAUSES)):
                raise NotUnderstood
        elif isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            named = self.query(node.this, level.beside())
            level.sources.append(Source(path, self._aliased(named, alias)))
        elif isinstance(node, exp.Unnest):
            self._children(node, level.beside(), "expressions")
            level.sources.append(Source(path, _renamed(Named((), is_whole=False), alias)))
        else:
            raise NotUnderstood
        for join in node.args.get("joins") or ():
            self._join(join, level)

    def _aliased(self, named: Named, alias: exp.Expr | None) -> Named:
        """Return columns renamed by `AS name(a, b)`, which goes by their places."""
        if alias is None or not alias.args.get("columns"):
            return named
        self._notes.take(named)
        return _renamed(named, alias)

    def _children(self, node: exp.Expr, level: Level, *members: str) -> None:
        for member in members:
            value = node.args.get(member)
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, exp.Expr):
                    self._expression(child, level)

    def _expression(self, node: exp.Expr, level: Level) -> None:
        """Note what an expression reads."""
        if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
            for source in level.starred(tuple(part.name.lower() for part in node.parts[:-1])):
                self._notes.take(source.named)
        elif isinstance(node, exp.Column):
            if not level.note([part.name for part in node.parts], self._notes):
                raise NotUnderstood
        elif isinstance(node, exp.Identifier):
            level.note([node.name], self._notes)
        elif isinstance(node, exp.Columns | exp.PositionalColumn | exp.Pivot | exp.Table):
            raise NotUnderstood
        elif isinstance(node, exp.Query):
            self._notes.take(self.query(node, level))
        elif isinstance(node, exp.Star) and not (isinstance(node.parent, exp.Count) and not any(node.args.values())):
            for source in level.starred(()):
                self._notes.take(source.named)
            self._rest(node, level)
        elif not isinstance(node, exp.DataType | exp.Star):
            self._rest(node, level)

    def _rest(self, node: exp.Expr, level: Level) -> None:
        if isinstance(node, exp.Lambda):
            level = level.inner(parameter.name for parameter in node.expressions)
        elif isinstance(node, exp.Comprehension):
            level = level.inner(parameter.name for parameter in node.expression.find_all(exp.Identifier))
        for child in _children_with_names(node):
            self._expression(child, level)


def _children_with_names(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the children of an expression, without those that only give a name to something."""
    if isinstance(node, exp.Alias | exp.PropertyEQ):
        yield node.this if isinstance(node, exp.Alias) else node.expression
    elif isinstance(node, exp.Connector | exp.Add | exp.Mul | exp.DPipe):
        yield from node.flatten(unnest=False)  # a chain of a thousand conditions is one level deep
    elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
        yield node.this
    elif isinstance(node, exp.Window):
        yield from (child for child in node.iter_expressions() if not isinstance(child, exp.Identifier))
    else:
        yield from node.iter_expressions()


def _renamed(named: Named, alias: exp.Expr | None) -> Named:
    words = [column.name.lower() for column in (alias.args.get("columns") if alias else None) or ()]
    given = tuple((word, frozenset[tuple[str, str]]()) for word in words)
    return Named((*given, *named.columns[len(words) :]), named.grows, named.is_whole)


def _require_members(node: exp.Expr) -> None:
    """Refuse a node that has a member which this reader has not been taught."""
    known = next((members for kind, members in _MEMBERS.items() if isinstance(node, kind)), None)
    if known is not None and any(value for key, value in node.args.items() if key not in known):
        raise NotUnderstood
