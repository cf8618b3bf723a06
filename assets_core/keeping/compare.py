"""Compare two versions of a cell: columns, rows, and statistics of each column. DuckDB does it, over the files.

Called by the command. Rows are compared by the columns that both versions have; a column whose type changed is compared
as text. Equal are two values that `IS NOT DISTINCT FROM` holds for: NULL and NULL, NaN and NaN.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ..errors import SelectionError, UserError, did_you_mean
from ..io.local_folder import parquet_relation
from ..model.keys import Cell
from ..model.keys import cell as parse_cell
from ..project import Project
from ..published import Published, reading, rows_of
from .publications import Publication, intact_file, publications_of, wanted

_EXAMPLES = 5
_NUMBER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(.*\)")
_NESTED = re.compile(r"(STRUCT|MAP|UNION)\(.*|.*\]", re.DOTALL)
_STATISTICS = ("nulls", "distinct", "nan", "min", "max", "mean")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of one version: its type, and what its values are; `nan` is None where there can be none."""

    name: str
    type: str
    statistics: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """One of the two versions that are compared."""

    publication: Publication
    rows: int
    columns: tuple[Column, ...]

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.columns}


@dataclass(frozen=True, slots=True)
class Difference:
    """From `before` to `after`. `changed` is None without a key: then a changed row is one removed and one added.

    `changed_columns`: in how many changed rows each column differs. `examples`: the first rows of each sort.
    """

    cell: Cell
    before: Version
    after: Version
    added: int
    removed: int
    changed: int | None
    changed_columns: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def is_equal(self) -> bool:
        """Return whether columns and rows are the same, though perhaps in another order."""
        return not (self.added or self.removed or self.changed) and self.before.types == self.after.types


def compare(
    project: Project, cell_text: str, before: str, after: str, now: datetime, key: Sequence[str] = ()
) -> Difference:
    """Return how two versions of a cell differ; `key`: columns that together name a row.

    Raises: UserError where the cell, a version or a key is wrong, InputError where the data is gone.
    """
    cell = parse_cell(cell_text)
    words = ("current", "previous")
    targets = [wanted(project, text, now, words) for text in (before, after)]
    with reading(project, kept_from=0) as published:
        had = _had(project, cell, published)
        chosen = [target.of(cell, had) for target in targets]
        files = [intact_file(project, cell, one, published.spill) for one in chosen]
        connection = published.connect()
        try:
            return _compared(connection, cell, chosen, files, key)
        except duckdb.OutOfMemoryException as error:
            raise UserError(
                f"{cell} is too large to be compared here: {error}", remedy="compare it by a key"
            ) from error
        finally:
            connection.close()


def _had(project: Project, cell: Cell, published: Published) -> list[Publication]:
    """Return the versions that a cell had."""
    known = publications_of(project, [cell.asset])
    if cell in known:
        return known[cell]
    if not known:
        raise published.absent(cell.asset)
    keys = [str(other.partition) for other in known if other.partition is not None]
    near = did_you_mean(cell.partition or "", keys)
    raise SelectionError(f"nothing of {cell} was ever published{near}", remedy=f"name a cell like {next(iter(known))}")


def _compared(
    connection: duckdb.DuckDBPyConnection,
    cell: Cell,
    chosen: Sequence[Publication],
    files: Sequence[Path],
    key: Sequence[str],
) -> Difference:
    versions = []
    for name, one, file in zip(("before", "after"), chosen, files, strict=True):
        parquet_relation(connection, [str(file)]).create_view(name)
        versions.append(_version(connection, name, one))
    before, after = versions
    shared = [name for name in before.types if name in after.types]
    if absent := [name for name in key if name not in shared]:
        raise UserError(
            f"{absent[0]!r} is not a column of both versions of {cell}{did_you_mean(absent[0], shared)}",
            remedy=f"choose from {', '.join(shared) or 'none'}",
        )
    sides = _Sides(connection, shared, [before.types[name] != after.types[name] for name in shared])
    if key:
        return _by_key(sides, cell, before, after, list(key))
    return _as_multisets(sides, cell, before, after)


# Statistics


def _version(connection: duckdb.DuckDBPyConnection, view: str, one: Publication) -> Version:
    """Return rows, columns and statistics of one version, in one pass over its file."""
    relation = connection.sql(f"FROM {view}")
    types = [(name, str(kind)) for name, kind in zip(relation.columns, relation.types, strict=True)]
    asked = ["count(*)"]
    for name, kind in types:
        asked += _statistics(_quoted(name), kind)
    ((rows, *values),) = rows_of(connection.sql(f"SELECT {', '.join(asked)} FROM {view}"))
    width = len(_STATISTICS)
    columns = [
        Column(name, kind, dict(zip(_STATISTICS, values[place * width : (place + 1) * width], strict=True)))
        for place, (name, kind) in enumerate(types)
    ]
    return Version(one, rows, tuple(columns))


def _statistics(name: str, kind: str) -> list[str]:
    """Return the expressions of the statistics of a column; numbers are what is no NaN."""
    found = [f"count(*) - count({name})", f"count(DISTINCT {name})"]
    if kind in ("FLOAT", "DOUBLE"):
        numbers = f"{name}) FILTER (NOT isnan({name})"
        return [*found, f"count_if(isnan({name}))", f"min({numbers})", f"max({numbers})", f"avg({numbers})"]
    if _NUMBER.fullmatch(kind):
        return [*found, "NULL", f"min({name})", f"max({name})", f"avg(CAST({name} AS DOUBLE))"]
    if _NESTED.fullmatch(kind):
        return [*found, "NULL", "NULL", "NULL", "NULL"]
    return [*found, "NULL", f"CAST(min({name}) AS VARCHAR)", f"CAST(max({name}) AS VARCHAR)", "NULL"]


# Rows


@dataclass(frozen=True, slots=True)
class _Sides:
    """The views `before` and `after`, by the columns that both have, here called c0, c1, ..."""

    connection: duckdb.DuckDBPyConnection
    columns: list[str]
    is_text: list[bool]

    def select(self, view: str, more: str) -> str:
        """Return the query for one side, with one column more."""
        columns = [
            f"{f'CAST({_quoted(name)} AS VARCHAR)' if is_text else _quoted(name)} AS c{place}"
            for place, (name, is_text) in enumerate(zip(self.columns, self.is_text, strict=True))
        ]
        return f"SELECT {', '.join([*columns, more])} FROM {view}"

    def names(self, prefix: str = "") -> str:
        return ", ".join(f"{prefix}c{place}" for place in range(len(self.columns)))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return rows_of(self.connection.sql(sql))

    def shown(self, values: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(self.columns, values, strict=True))


def _as_multisets(sides: _Sides, cell: Cell, before: Version, after: Version) -> Difference:
    """Compare rows as they are: how many times more, or less, each is there."""
    if not sides.columns:
        return Difference(cell, before, after, added=after.rows, removed=before.rows, changed=None)
    both = f"{sides.select('after', '1 AS side')} UNION ALL {sides.select('before', '-1 AS side')}"
    differing = f"SELECT {sides.names()}, sum(side)::BIGINT AS n FROM ({both}) GROUP BY {sides.names()} HAVING n <> 0"
    ((added, removed),) = sides.ask(
        f"SELECT coalesce(sum(n) FILTER (n > 0), 0)::BIGINT, coalesce(-sum(n) FILTER (n < 0), 0)::BIGINT"
        f" FROM ({differing})"
    )
    examples = {}
    for sort, sign in (("added", ">"), ("removed", "<")):
        rows = sides.ask(f"SELECT {sides.names()} FROM ({differing}) WHERE n {sign} 0 ORDER BY ALL LIMIT {_EXAMPLES}")
        examples[sort] = [sides.shown(row) for row in rows]
    return Difference(cell, before, after, added, removed, None, examples=examples)


def _by_key(sides: _Sides, cell: Cell, before: Version, after: Version, key: list[str]) -> Difference:
    """Compare the rows that have the same key."""
    places = [sides.columns.index(name) for name in key]
    for view, version in (("before", before), ("after", after)):
        _require_unique(sides, view, version, key, places)
    b, a = (f"({sides.select(view, 'TRUE AS there')})" for view in ("before", "after"))
    is_same = " AND ".join(f"b.c{place} IS NOT DISTINCT FROM a.c{place}" for place in places)
    joined = f"{b} AS b FULL JOIN {a} AS a ON {is_same}"
    others = [place for place in range(len(sides.columns)) if place not in places]
    differs = [f"b.c{place} IS DISTINCT FROM a.c{place}" for place in others]
    is_changed = f"(b.there AND a.there AND ({' OR '.join(differs) or 'FALSE'}))"
    counts = [f"count(*) FILTER (b.there AND a.there AND {one})" for one in differs]
    ((added, removed, changed, *by_column),) = sides.ask(
        f"SELECT count(*) FILTER (b.there IS NULL), count(*) FILTER (a.there IS NULL), count(*) FILTER {is_changed}"
        f"{''.join(f', {count}' for count in counts)} FROM {joined}"
    )
    order = ", ".join(f"coalesce(a.c{place}, b.c{place})" for place in places)
    examples: dict[str, list[dict[str, Any]]] = {}
    for sort, side, where in (("added", "a", "b.there IS NULL"), ("removed", "b", "a.there IS NULL")):
        rows = sides.ask(
            f"SELECT {sides.names(f'{side}.')} FROM {joined} WHERE {where} ORDER BY {order} LIMIT {_EXAMPLES}"
        )
        examples[sort] = [sides.shown(row) for row in rows]
    rows = sides.ask(
        f"SELECT {sides.names('b.')}, {sides.names('a.')}{''.join(f', {one}' for one in differs)} FROM {joined}"
        f" WHERE {is_changed} ORDER BY {order} LIMIT {_EXAMPLES}"
    )
    width = len(sides.columns)
    examples["changed"] = [
        {
            "key": {name: row[place] for name, place in zip(key, places, strict=True)},
            "columns": {
                sides.columns[place]: {"before": row[place], "after": row[width + place]}
                for place, is_other in zip(others, row[2 * width :], strict=True)
                if is_other
            },
        }
        for row in rows
    ]
    changed_columns = {sides.columns[place]: count for place, count in zip(others, by_column, strict=True) if count}
    return Difference(cell, before, after, added, removed, changed, changed_columns, examples)


def _require_unique(sides: _Sides, view: str, version: Version, key: list[str], places: list[int]) -> None:
    names = ", ".join(f"c{place}" for place in places)
    rows = sides.ask(
        f"SELECT count(*) AS n, {names} FROM ({sides.select(view, 'TRUE')}) GROUP BY {names} HAVING n > 1"
        " ORDER BY n DESC LIMIT 1"
    )
    for count, *values in rows:
        named = ", ".join(f"{name} = {value!r}" for name, value in zip(key, values, strict=True))
        one = version.publication.version[:12]
        raise UserError(
            f"{', '.join(key)} name no single row: {count} rows of version {one} have {named}",
            remedy="add columns to --key, or leave it out",
        )


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
