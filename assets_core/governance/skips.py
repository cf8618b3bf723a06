"""Why was this number not rebuilt on that day? Which runs found which cells fresh, and what they compared.

Called by `assets audit skips`. It reads the index alone; the definitions of now have no say in what was then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Any

import duckdb

from catalog.queries import load as query
from catalog.session import Catalog

from ..errors import SelectionError, UserError, did_you_mean
from ..model.keys import AssetKey, Cell
from ..model.keys import cell as parse_cell
from ..model.partitions import Partitions, parse_partitions
from ..planning.bound import bound_partitions
from ..project import Project

_BEFORE_ALL, _AFTER_ALL = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)

PLANNED = "found fresh"
ITS_TURN = "turned out fresh when its turn came"
UPSTREAM_RAN = "turned out fresh after its upstream ran"
MADE_ELSEWHERE = "had been made by another run meanwhile"


@dataclass(frozen=True, slots=True)
class Look:
    """A run looked at the cells of an asset from `first` to `last`, and why it did not make them (or what it did).

    `code_version`, `recipes`: of the comparison, in which `compared` cells of the asset took part; `reads`: what these
    would have read, edge by edge. `version`: the one that was current then, where one cell was asked for.
    """

    seq: int
    at: str
    run: str | None
    who: str | None
    why: str
    asset: AssetKey
    first: str | None
    last: str | None
    cells: int
    code_version: str | None = None
    compared: int | None = None
    recipes: str | None = None
    position: int | None = None
    reads: tuple[Mapping[str, Any], ...] = ()
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Skips:
    """The looks at what was asked for. For one cell: the `last` look before the end of the time that was asked for, and
    the version that was current at that end, since when. `dropped_before`: retention dropped older records."""

    looks: tuple[Look, ...]
    cell: Cell | None = None
    last: Look | None = None
    version: str | None = None
    since: str | None = None
    dropped_before: str | None = None


def skips_of(project: Project, wanted: str = "*", on: date | None = None) -> Skips:
    """Return when runs found cells fresh: one cell, or those of the assets that a glob names; on a day (UTC), or ever.

    Of one cell also what else runs did to it is returned.

    Raises: SelectionError where no such asset was ever declared, or the cell is none.
    """
    since, until = _BEFORE_ALL, _AFTER_ALL
    if on is not None:
        since = datetime.combine(on, time.min, UTC)
        until = since + timedelta(days=1)
    with Catalog(project.state).read() as connection:
        declared = dict(connection.sql(query("declared_ever")).fetchall())
        cell = _cell_of(wanted, declared)
        dropped = _rows(connection, "moments", {"time": _plain(until)})[0]["dropped_before"]
        if cell is not None:
            found = _of_cell(connection, cell, declared[cell.asset], _BEFORE_ALL, until)
            looks = tuple(look for look in found if look.at >= f"{since:%Y-%m-%d}") if on is not None else tuple(found)
            version, since_when = _current(connection, cell, until)
            return Skips(looks, cell, found[-1] if found else None, version, since_when, dropped)
        assets = [asset for asset in declared if fnmatchcase(asset, wanted)]
        if not assets:
            near = did_you_mean(wanted, declared)
            raise SelectionError(f"no asset {wanted!r} was ever declared{near}", remedy="see: assets list")
        rows = _skips(connection, assets, since, until)
    return Skips(tuple(_look(row, _why(row)) for row in rows), dropped_before=dropped)


def _cell_of(text: str, declared: Mapping[str, Sequence[str | None]]) -> Cell | None:
    """Return the cell that a text names, None where it names assets."""
    if "@" in text:
        cell = parse_cell(text)
        if cell.asset not in declared:
            near = did_you_mean(cell.asset, declared)
            raise SelectionError(f"no asset {cell.asset!r} was ever declared{near}", remedy="see: assets list")
        return cell
    if text in declared and declared[text][0] is None:
        return Cell(AssetKey(text))
    return None


def _plain(moment: datetime) -> datetime:
    """Return a time in UTC as the index has it."""
    return moment.replace(tzinfo=None)


def _rows(connection: duckdb.DuckDBPyConnection, name: str, params: Mapping[str, object]) -> list[dict[str, Any]]:
    relation = connection.sql(query(name), params=dict(params))
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def _skips(
    connection: duckdb.DuckDBPyConnection, assets: Sequence[str], since: datetime, until: datetime
) -> list[dict[str, Any]]:
    params = {"assets": list(assets), "since": _plain(since), "until": _plain(until)}
    return _rows(connection, "skips", params)


def _of_cell(
    connection: duckdb.DuckDBPyConnection,
    cell: Cell,
    definitions: Sequence[str | None],
    since: datetime,
    until: datetime,
) -> list[Look]:
    """Return every look at one cell, oldest first."""
    rows = _skips(connection, [cell.asset], since, until)
    numbers = _Numbers(connection, definitions, {row["scheme"] for row in rows if row["scheme"]})
    params: dict[str, object] = {"asset": cell.asset, "partition": cell.partition}
    versions = _rows(connection, "cell_versions", params)
    tries = _rows(connection, "cell_tries", {**params, "since": _plain(since), "until": _plain(until)})
    found = []
    for row in rows:
        if numbers.holds(row, cell.partition):
            then = _then(versions, row["seq"])
            is_newer = (
                then is not None and row["started_seq"] is not None and then["published_seq"] > row["started_seq"]
            )
            why = _why(row)
            if why == ITS_TURN and row["scheme"] is not None:
                why = MADE_ELSEWHERE if is_newer and then is not None and then["run"] != row["run"] else UPSTREAM_RAN
            found.append(_look(row, why, cell, then["version"] if then is not None else None))
    for row in tries:
        then = _then(versions, row["seq"])
        version = then["version"] if then is not None else None
        looked = (row["seq"], row["at"], row["run"], row["who"], row["what"])
        one = (cell.asset, cell.partition, cell.partition, 1)
        found.append(Look(*looked, *one, code_version=row["code_version"], version=version))
    return sorted(found, key=lambda look: look.seq)


def _why(row: Mapping[str, Any]) -> str:
    return PLANNED if row["is_planned"] else ITS_TURN


def _look(row: Mapping[str, Any], why: str, one: Cell | None = None, version: str | None = None) -> Look:
    """Return a row of the query `skips` as a look at its range, or at one cell of it."""
    first, last, cells = row["partition"], row["last_partition"], 1
    if one is not None:
        first = last = one.partition
    elif row["scheme"] is not None:
        cells = row["last_ordinal"] - row["first_ordinal"] + 1
    return Look(
        row["seq"],
        row["at"],
        row["run"],
        row["who"],
        why,
        AssetKey(row["asset"]),
        first,
        last,
        cells,
        row["code_version"],
        row["cells"],
        row["recipes"],
        row["position"],
        tuple(row["reads"] or ()),
        version,
    )


def _then(versions: Iterable[Mapping[str, Any]], seq: int) -> Mapping[str, Any] | None:
    """Return the version that was current at a record."""
    for each in versions:
        if each["published_seq"] <= seq and (each["superseded_seq"] is None or each["superseded_seq"] > seq):
            return each
    return None


def _current(connection: duckdb.DuckDBPyConnection, cell: Cell, until: datetime) -> tuple[str | None, str | None]:
    """Return the version of a cell that was current at the end of a time, and since when it was."""
    position = _rows(connection, "moments", {"time": _plain(until)})[0]["at_time"]
    then = _then(_rows(connection, "cell_versions", {"asset": cell.asset, "partition": cell.partition}), position)
    return (None, None) if then is None else (then["version"], then["since"])


@dataclass(slots=True)
class _Numbers:
    """Which ordinal a key had under each of some schemes, by the definitions of then, the newest first."""

    connection: duckdb.DuckDBPyConnection
    definitions: Sequence[str | None]
    schemes: set[str]
    known: dict[str, Partitions] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for document in self.definitions:
            if document is not None:
                self._learn(document)

    def _learn(self, document: str) -> None:
        """Learn what the ordinals of a definition mean; those of dynamic partitions depend on the keys of then."""
        try:
            partitions = parse_partitions(json.loads(document))
        except UserError:  # of a version that knew other kinds
            return
        bound = bound_partitions(partitions, self.connection)
        self.known.setdefault(bound.scheme, bound)
        if bound is partitions:
            return
        for (position,) in self.connection.sql(query("partition_set_changes")).fetchall():
            if self.schemes <= self.known.keys():
                return
            bound = bound_partitions(partitions, self.connection, position)
            self.known.setdefault(bound.scheme, bound)

    def holds(self, row: Mapping[str, Any], key: str | None) -> bool:
        """Return whether the range of a row holds a cell."""
        if row["scheme"] is None or key is None or row["first_ordinal"] == row["last_ordinal"]:
            return bool(row["partition"] == key)
        partitions = self.known.get(row["scheme"])
        if partitions is None:  # nothing tells what is between the ends
            return key in (row["partition"], row["last_partition"])
        try:
            ordinal = partitions.ordinal(key)
        except UserError:
            return False
        return bool(row["first_ordinal"] <= ordinal <= row["last_ordinal"]) and partitions.key(ordinal) == key
