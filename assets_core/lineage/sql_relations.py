"""What each column of a query's result reads of the tables below it, found by walking the parsed query scope by scope.

Called by `sql_columns.py` alone. It must never omit a dependency: syntax it does not know reads everything. It knows
nothing of assets, partitions or the journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sqlglot import exp

from .sql_scope import NOTHING, Output, Reads, Relation, Scope, Source, indirect, transformed

_ROW_FUNCTIONS = frozenset({"generate_subscripts", "regexp_split_to_table", "unlist"})
_FUNCTIONS_WITHOUT_TABLES = frozenset(
    {"glob", "json_each", "json_tree", "parquet_scan", "read_blob", "read_csv_auto", "read_json", "read_json_auto"}
    | {"read_json_objects", "read_ndjson", "read_ndjson_auto", "read_ndjson_objects", "read_text", "repeat_row"}
)
_ORDER = {"order", "limit", "offset"}
_KNOWN_MEMBERS: dict[type[exp.Expr], set[str]] = {
    exp.Select: {"with_", "expressions", "distinct", "from_", "joins", "laterals", "where", "group", "having"}
    | {"qualify", "windows", "sample", *_ORDER},
    exp.SetOperation: {"with_", "this", "expression", "distinct", "by_name", *_ORDER},
    exp.Subquery: {"with_", "this", "alias", "joins", "pivots", "sample", *_ORDER},
    exp.Values: {"expressions", "alias", "pivots", *_ORDER},
    exp.Table: {"this", "db", "catalog", "alias", "joins", "pivots", "sample", "when", "ordinality"},
    exp.Join: {"this", "side", "kind", "method", "on", "using"},
    exp.With: {"expressions", "recursive"},
    exp.CTE: {"this", "alias", "materialized"},
}


class RelationReader:
    """Reads parsed queries over tables: `tables` by their names in lower case, `lists` names their list columns."""

    def __init__(self, tables: Mapping[str, Relation], lists: frozenset[tuple[str, str]]) -> None:
        self._tables = tables
        self._lists = lists
        self._everything = transformed(NOTHING.union(*(table.all_reads for table in tables.values())))
        self._unknown = Relation((), indirect(self._everything), self._everything)

    def read(self, tree: exp.Expr) -> Relation:
        """Return what a query gives."""
        return self._query(tree, Scope(None, {}))

    def _unknown_members(self, node: exp.Expr) -> Reads:
        """Return that everything is read where a node has a member that this reader has not been taught."""
        known = next(members for kind, members in _KNOWN_MEMBERS.items() if isinstance(node, kind))
        return self._unknown.rows if any(value for key, value in node.args.items() if key not in known) else NOTHING

    def _query(self, node: exp.Expr, outer: Scope) -> Relation:
        with_ = node.args.get("with_")
        around = self._with(with_, outer) if with_ else outer
        scope = around.inner()
        if isinstance(node, exp.Select):
            result = self._select(node, scope)
        elif isinstance(node, exp.SetOperation):
            result = self._combined(node, self._query(node.this, around), self._query(node.expression, around))
        elif isinstance(node, exp.Subquery):
            result = self._query(node.this, around)
        elif isinstance(node, exp.Values):
            result = self._values(node, around)
        elif isinstance(node, exp.Pivot):
            self._add_source(node.this, scope)
            return self._pivoted(scope.star(), [node], scope)
        else:
            return self._unknown
        if not isinstance(node, exp.Select):
            scope.sources.append(Source((), result))
        scope.rows |= result.rows | self._unknown_members(node)
        if order := node.args.get("order"):
            scope.rows |= self._order(order, scope, result)
        for key in ("limit", "offset"):
            if clause := node.args.get(key):
                scope.rows |= indirect(self._expression(clause, scope))
        return Relation(result.columns, scope.rows, result.others)

    def _with(self, node: exp.With, outer: Scope) -> Scope:
        queries = dict(outer.queries)
        scope = Scope(outer, queries)
        for query in node.expressions:
            name, body, alias = query.alias.lower(), query.this, query.args.get("alias")
            if node.args.get("recursive") and isinstance(body, exp.SetOperation):
                relation, grown = Relation(), _aliased(self._query(body.this, scope), alias)
                while grown != relation:
                    relation = queries[name] = grown
                    step = self._combined(body, relation, self._query(body.expression, scope))
                    grown = _aliased(step, alias)
            else:
                relation = _aliased(self._query(body, scope), alias)
            rows = relation.rows | self._unknown_members(query) | self._unknown_members(node)
            queries[name] = Relation(relation.columns, rows, relation.others)
        return scope

    def _combined(self, node: exp.SetOperation, left: Relation, right: Relation) -> Relation:
        """Return the relation of UNION, INTERSECT or EXCEPT."""
        rows, others = left.rows | right.rows, None
        incomplete = left.others is not None or right.others is not None
        if incomplete or (node.args.get("by_name") and (left.unlisted, right.unlisted) != (None, None)):
            others = transformed(left.all_reads | right.all_reads)
            columns = [Output(column.name, column.reads | others) for column in left.columns]
        elif node.args.get("by_name"):
            words = dict.fromkeys(column.name.lower() for column in (*left.columns, *right.columns))
            pairs = [[found for side in (left, right) if (found := side.column(word))] for word in words]
            columns = [Output(pair[0].name, NOTHING.union(*(found.reads for found in pair))) for pair in pairs]
        else:
            columns = [Output(a.name, a.reads | b.reads) for a, b in zip(left.columns, right.columns, strict=False)]
        if node.args.get("distinct") or not isinstance(node, exp.Union):
            rows |= indirect(left.all_reads | right.all_reads)
        return Relation(tuple(columns), rows, others)

    def _values(self, node: exp.Values, scope: Scope) -> Relation:
        rows = [[self._expression(cell, scope) for cell in row.expressions] for row in node.expressions]
        return Relation(
            tuple(Output(f"col{at}", NOTHING.union(*column)) for at, column in enumerate(zip(*rows, strict=False)))
        )

    def _select(self, node: exp.Select, scope: Scope) -> Relation:
        if from_ := node.args.get("from_"):
            self._add_source(from_.this, scope)
        for join in node.args.get("joins") or ():
            self._add_join(join, scope)
        for lateral in node.args.get("laterals") or ():
            self._add_source(lateral, scope)
        columns: list[Output] = []
        others: Reads | None = None
        plain: Reads = NOTHING
        for item in node.expressions:
            given = self._item(item, scope)
            columns += given.columns
            others = others if given.others is None else given.others | (others or NOTHING)
            if item.alias and given.columns:
                scope.aliases.setdefault(item.alias.lower(), given.columns[0])
            if not any(isinstance(part, exp.AggFunc) for part in _own(item)):
                plain |= given.all_reads
        result = Relation(tuple(columns), NOTHING, others)
        for clause in filter(None, (node.args.get(key) for key in ("where", "having", "qualify"))):
            scope.rows |= indirect(self._expression(clause.this, scope))
        for window in node.args.get("windows") or ():
            scope.rows |= indirect(self._expression(window, scope))
        if group := node.args.get("group"):
            scope.rows |= self._keys(group, scope, result) | indirect(plain if group.args.get("all") else NOTHING)
        if distinct := node.args.get("distinct"):
            on = distinct.args.get("on")
            scope.rows |= self._keys(on, scope, result) if on else indirect(result.all_reads)
        return result

    def _order(self, order: exp.Order, scope: Scope, result: Relation) -> Reads:
        rows = NOTHING
        for ordered in order.expressions:
            key = ordered.this
            if isinstance(key, exp.Var) and key.name.upper() == "ALL":
                rows |= indirect(result.all_reads)
            elif isinstance(key, exp.Column) and len(key.parts) == 1 and (same := result.column(key.name.lower())):
                rows |= indirect(same.reads)
            else:
                rows |= self._keys(ordered, scope, result)
        return rows

    def _keys(self, node: exp.Expr, scope: Scope, result: Relation) -> Reads:
        """Return what expressions read that may name a column of the result, also by its position."""
        reads = self._expression(node, scope)
        for part in _own(node):
            if (
                isinstance(part, exp.Column)
                and len(part.parts) == 1
                and (alias := scope.aliases.get(part.name.lower()))
            ):
                reads |= alias.reads
            elif isinstance(part, exp.Literal) and not part.is_string and part.name.isdigit():
                places = exp.Group | exp.Ordered | exp.Cube | exp.Rollup | exp.GroupingSets | exp.Tuple | exp.Paren
                reads |= result.at(int(part.name)) if isinstance(part.parent, places) else NOTHING
        return indirect(reads)

    def _item(self, item: exp.Expr, scope: Scope) -> Relation:
        """Return the columns that one element of the SELECT list gives."""
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            return self._star(item, scope)
        node = item.this if isinstance(item, exp.Alias) else item
        reads = self._expression(node, scope)
        if any(_multiplies_rows(part) for part in _own(node)):
            scope.rows |= indirect(reads)
        unlisted = reads if self._spreads(node, scope) else None
        if item.alias:
            return Relation((Output(item.alias, reads),), NOTHING, unlisted)
        if isinstance(node, exp.Column) and (found := scope.column([part.name for part in node.parts])):
            return Relation((Output(found.name, reads),))
        if isinstance(node, exp.Column):
            return Relation((Output(node.name, reads),))
        return Relation((Output("", reads),)) if unlisted is None else Relation((), NOTHING, unlisted)

    def _spreads(self, node: exp.Expr, scope: Scope) -> bool:
        """Tell whether an expression gives several columns: COLUMNS(...), a pattern over *, a struct unnested."""
        for part in _own(node):
            if isinstance(part, exp.Columns) or (isinstance(part, exp.Star) and not isinstance(part.parent, exp.Count)):
                return True
        if not isinstance(node, exp.Explode):
            return False
        reads = self._expression(node.this, scope)
        is_list = len(reads) == 1 and all((table, column) in self._lists for table, column, how in reads)
        return bool(node.expressions) or not (is_list and isinstance(node.this, exp.Column))

    def _star(self, item: exp.Expr, scope: Scope) -> Relation:
        star: exp.Expr = item
        path: tuple[str, ...] = ()
        if isinstance(item, exp.Column):
            star, path = item.this, tuple(part.name.lower() for part in item.parts[:-1])
            if not any(source.path[-len(path) :] == path for source in scope.sources):
                return Relation((), NOTHING, transformed(self._named(path, scope)))  # the fields of a struct
        every = scope.star(path)
        left_out = {node.name.lower() for node in star.args.get("except_") or ()}
        new = {node.alias.lower(): self._expression(node.this, scope) for node in star.args.get("replace") or ()}
        names = {node.this.name.lower(): node.alias for node in star.args.get("rename") or ()}
        columns = [
            Output(
                names.get(word, column.name), new.get(word, column.reads) if word else column.reads.union(*new.values())
            )
            for column in every.columns
            if (word := column.name.lower()) not in left_out
        ]
        others = every.others if every.others is None else NOTHING.union(every.others, *new.values())
        return Relation(tuple(columns), NOTHING, others)

    def _add_source(self, node: exp.Expr, scope: Scope) -> None:
        """Add what stands in FROM to a scope, with what is joined to it."""
        alias, pivots = node.args.get("alias"), node.args.get("pivots")
        path: tuple[str, ...] = (alias.name.lower(),) if alias and alias.name else ()
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table) and not (path or pivots):
            self._add_source(node.this, scope)  # a join in parentheses: its names are seen from outside
        else:
            if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier) and not path:
                path = tuple(part.name.lower() for part in node.parts)
            relation = _aliased(self._source(node, scope, alias), alias)
            if pivots:
                relation = self._pivoted(relation, pivots, scope)
            scope.rows |= relation.rows
            scope.sources.append(Source(path, relation))
        if isinstance(node, exp.Table | exp.Subquery):
            scope.rows |= self._unknown_members(node)
        for join in node.args.get("joins") or ():
            self._add_join(join, scope)

    def _source(self, node: exp.Expr, scope: Scope, alias: exp.Expr | None) -> Relation:
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            words = [part.name.lower() for part in node.parts]
            query = scope.queries.get(words[0]) if len(words) == 1 else None
            return query or self._tables.get("/".join(words), self._unknown)
        if isinstance(node, exp.Table):
            return self._function(node.this, scope, alias)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
            grouped = scope.inner()
            self._add_source(node.this, grouped)
            return replace(grouped.star(), rows=grouped.rows)
        if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            return self._query(node.this, scope)
        if isinstance(node, exp.Lateral | exp.Unnest):
            return self._function(node.this if isinstance(node, exp.Lateral) else node, scope, alias)
        if isinstance(node, exp.Subquery | exp.Values):
            return self._query(node, scope)
        return self._unknown

    def _function(self, node: exp.Expr, scope: Scope, alias: exp.Expr | None) -> Relation:
        """Return the relation of a table function; one that may read a table by its name in a text reads everything."""
        reads = transformed(self._expression(node, scope))
        if isinstance(node, exp.Unnest | exp.Explode | exp.GenerateSeries) and not node.args.get("offset"):
            name = (alias.name if alias else "") or ("range" if node.args.get("is_end_exclusive") else node.key)
            return Relation((Output(name, reads),), indirect(reads))
        if isinstance(node, exp.Anonymous) and node.name.lower() not in _FUNCTIONS_WITHOUT_TABLES:
            return self._unknown
        return Relation((), indirect(reads), reads)

    def _add_join(self, join: exp.Join, scope: Scope) -> None:
        before = list(scope.sources)
        self._add_source(join.this, scope)
        added = scope.sources[len(before) :]
        scope.rows |= self._unknown_members(join)
        left, right = (Scope(None, {}, sources, dict(scope.merged)) for sources in (before, added))
        words = [node.name.lower() for node in join.args.get("using") or ()]
        if join.method == "NATURAL":
            words = [word for column in left.star().columns if right.star().column(word := column.name.lower())]
            if left.star().others is not None or right.star().others is not None:
                scope.rows |= indirect(left.star().all_reads | right.star().all_reads)
        for word in words:
            right.merged.pop(word, None)
            one, other = left.column([word]), right.column([word])
            a, b = (self._everything if side is None else side.reads for side in (one, other))
            kept = {"RIGHT": b, "FULL": transformed(a | b)}.get(join.side, a)
            holding = [source for source in scope.sources if source.relation.column(word)]
            scope.merged[word] = (Output((one or other or Output(word, NOTHING)).name, kept), holding)
            scope.rows |= indirect(a | b)
        if on := join.args.get("on"):
            scope.rows |= indirect(self._expression(on, scope))
        if join.kind in ("SEMI", "ANTI"):
            del scope.sources[len(before) :]

    def _pivoted(self, relation: Relation, pivots: list[exp.Pivot], scope: Scope) -> Relation:
        """Return a relation of which only the engine can tell the columns: each may read all of what is pivoted."""
        queries = [query for pivot in pivots for query in pivot.find_all(exp.Query)]
        reads = relation.all_reads.union(*(self._value(query, scope) for query in queries))
        return Relation((), relation.rows | scope.rows | indirect(reads), transformed(reads))

    def _named(self, name: tuple[str, ...] | list[str], scope: Scope) -> Reads:
        """Return what a name in an expression reads; everything where it cannot be found."""
        if found := scope.column(name):
            return found.reads
        return NOTHING if scope.has_parameter(name[0]) else self._everything

    def _value(self, query: exp.Expr, scope: Scope) -> Reads:
        """Return what a query in an expression reads; the engine may join it, so that it bears on the order of rows."""
        relation = self._query(query, scope)
        scope.decide(relation.rows)
        return transformed(relation.all_reads) | relation.rows

    def _expression(self, node: exp.Expr, scope: Scope) -> Reads:
        """Return what an expression reads. A lambda's parameter that is also the name of a column counts as both."""
        if isinstance(node, exp.Column):
            if isinstance(node.this, exp.Star):
                return transformed(scope.star(tuple(part.name.lower() for part in node.parts[:-1])).all_reads)
            return self._named([part.name for part in node.parts], scope)
        if isinstance(node, exp.Identifier):
            found = scope.column([node.name])
            return found.reads if found else NOTHING
        if isinstance(node, exp.Paren):
            return self._expression(node.this, scope)
        if isinstance(node, exp.Star):
            return NOTHING if isinstance(node.parent, exp.Count) else transformed(scope.star().all_reads)
        if isinstance(node, exp.Columns | exp.PositionalColumn):
            return transformed(scope.star().all_reads)
        if isinstance(node, exp.Exists) and isinstance(node.this, exp.Query):
            rows = self._query(node.this, scope).rows
            scope.decide(rows)
            return rows
        if isinstance(node, exp.Query):
            return self._value(node, scope)
        if isinstance(node, exp.DataType):
            return NOTHING
        children = list(node.iter_expressions())
        if isinstance(node, exp.Connector | exp.Add | exp.Mul | exp.DPipe):
            children = list(node.flatten(unnest=False))  # a chain of a thousand conditions is one level deep
        elif isinstance(node, exp.PropertyEQ):
            children = [node.expression]
        elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
            children = [node.this]
        elif isinstance(node, exp.Lambda):
            scope = scope.inner(parameter.name for parameter in node.expressions)
        elif isinstance(node, exp.Comprehension):
            scope = scope.inner(parameter.name for parameter in node.expression.find_all(exp.Identifier))
        elif isinstance(node, exp.Window):
            value = NOTHING if isinstance(node.this, exp.Identifier) else self._expression(node.this, scope)
            over = (self._expression(child, scope) for child in children if child is not node.this)
            return transformed(value) | indirect(NOTHING.union(*over))
        return transformed(NOTHING.union(*(self._expression(child, scope) for child in children)))


def _aliased(relation: Relation, alias: exp.Expr | None) -> Relation:
    """Return a relation with its first columns renamed by `AS name(a, b)`."""
    names = [column.name for column in (alias.args.get("columns") if alias else None) or ()]
    if not names:
        return relation
    if relation.others is not None:
        reads = transformed(relation.all_reads)
        return Relation(tuple(Output(name, reads) for name in names), relation.rows, reads)
    kept = [Output(name, column.reads) for name, column in zip(names, relation.columns, strict=False)]
    return Relation((*kept, *relation.columns[len(kept) :]), relation.rows)


def _own(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the nodes of an expression without those of the queries in it."""
    return node.walk(prune=lambda inner: isinstance(inner, exp.Query) and inner is not node)


def _multiplies_rows(node: exp.Expr) -> bool:
    return isinstance(node, exp.Explode | exp.UDTF) or (
        isinstance(node, exp.Anonymous) and node.name.lower() in _ROW_FUNCTIONS
    )
