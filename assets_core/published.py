"""The published data, for people: which files an asset's cells have, now or at an earlier record, and SQL over them.

Used by the commands that read data. It goes by the pointers in the index alone, never by listing a folder; it looks at
no source, and at definitions only to say why something is not there.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from catalog.apply import position_of
from catalog.queries import load as query
from catalog.segments import tail
from catalog.session import Catalog

from .errors import InputError, SelectionError, UserError, did_you_mean
from .execution.lease import Lease
from .io.local_folder import readable
from .model.keys import AssetKey, Cell, PartitionKey
from .model.partitions import Partitions, parse_partitions
from .planning.bound import bound_partitions
from .project import Project, find_project

_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


@dataclass(frozen=True, slots=True)
class Cells:
    """Published cells of one asset: where their files are (each once for each cell that has its content), how many rows
    and bytes they have."""

    files: tuple[str, ...]
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Published:
    """What was published in a project as of the record `position`; `is_past`: the end of the journal is not meant.

    `name`: that of the lease under which it is read, and of the folder for what a query has no memory for.
    """

    project: Project
    position: int
    is_past: bool
    now: datetime
    name: str

    @classmethod
    def of(cls, folder: Path | None) -> Published:
        """Return what is published in the project that holds a folder."""
        return _published(find_project(folder), None, str(uuid.uuid4()))

    @property
    def spill(self) -> Path:
        """Return the folder for what a query has no memory for."""
        return self.project.state / "staging" / self.name

    def cells(self, asset: str, partition: str | None = None) -> Cells:
        """Return the published cells of an asset, or one of them.

        Raises: SelectionError where there is no such asset or partition, or nothing is published; InputError where the
        data is gone.
        """
        params = {"asset": asset, "position": self.position}
        with Catalog(self.project.state).read() as connection:
            declared = connection.sql(query("declaration_as_of"), params=params).fetchall()
            rows = connection.sql(query("published_cells"), params=params).fetchall()
            document = declared[0][1] if declared else None
            partitions = None if document is None else parse_partitions(json.loads(document))
            if partitions is not None:
                partitions = bound_partitions(partitions, connection, self.position)
        if not declared:
            raise self.absent(asset)
        if declared[0][0] == "external":
            raise _external(asset)
        members = _Members(partitions, self.now)
        if partition is not None:
            members.require(asset, partition)
        rows = [row for row in rows if members.holds(*row[:3]) and partition in (None, row[0])]
        if not rows:
            cell = Cell(AssetKey(asset), None if partition is None else PartitionKey(partition))
            raise self._unpublished(cell)
        data, files = self.project.data, [file or "" for *_, file, _, _ in rows]
        for (key, _, _, version, *_), file, stat in zip(rows, files, data.stats(files), strict=True):
            if stat is None or not file:
                raise self._gone(Cell(AssetKey(asset), key), version, data.place(file))
        return Cells(
            tuple(data.place(file) for file in files), sum(row[-2] for row in rows), sum(row[-1] for row in rows)
        )

    def _declared(self) -> set[str]:
        """Return the keys of the assets that are declared as of the position."""
        with Catalog(self.project.state).read() as connection:
            rows = connection.sql(query("declared_as_of"), params={"position": self.position}).fetchall()
        return {key for (key,) in rows}

    def absent(self, asset: str) -> SelectionError:
        """Return the error that says why there is nothing of an asset."""
        known = self._declared()
        with Catalog(self.project.state).read() as connection:
            params = {"asset": asset, "position": self.position}
            ((last,),) = connection.sql(query("withdrawal"), params=params).fetchall()
        if last is not None:
            return SelectionError(
                f"{asset} was withdrawn by record {last}: it is no longer declared",
                remedy=f"see it as it was before: --as-of {last - 1}",
            )
        if self.is_past:
            near = did_you_mean(asset, known)
            return SelectionError(f"there was no asset {asset!r} then{near}", remedy="give a later time or position")
        declared = self.project.graph.assets
        if (found := declared.get(AssetKey(asset))) is not None:
            return _external(asset) if found.is_external else self._unpublished(Cell(found.key))
        near = did_you_mean(asset, known | declared.keys())
        return SelectionError(f"there is no asset {asset!r}{near}", remedy="see: assets list")

    def _unpublished(self, cell: Cell) -> SelectionError:
        if self.is_past:
            return SelectionError(
                f"nothing of {cell} was published as of record {self.position}", remedy="give a later time or position"
            )
        return SelectionError(f"nothing of {cell} is published", remedy=f"run: assets materialize +{cell.asset}")

    def _gone(self, cell: Cell, version: str, file: str) -> InputError:
        if words := removal_words(self.project, cell.asset, version):
            return InputError(
                f"the data of {cell} at version {version[:12]} {words}",
                remedy="ask for a later time, whose versions are kept",
            )
        one = f" --partitions '{cell.partition}'" if cell.partition is not None else ""
        return InputError(
            f"the data of {cell} is gone: {file}",
            remedy=f"make it again: assets materialize {cell.asset}{one} --force",
        )

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a connection that can read the published data and nothing else."""
        connection = duckdb.connect()
        connection.execute("SET temp_directory = ?", [str(self.spill)])
        places = [*readable(self.project.data.place("")), *readable(str(self.spill))]
        connection.execute(f"SET allowed_directories = [{', '.join('?' * len(places))}]", places)
        connection.execute("SET enable_external_access = false")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET lock_configuration = true")
        return connection

    def relation(self, connection: duckdb.DuckDBPyConnection, cells: Cells) -> duckdb.DuckDBPyRelation:
        """Return the rows of some cells; columns are matched by name."""
        return self.project.data.relation(connection, cells.files)

    def ask(self, connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns and rows of a query whose tables are asset keys.

        Raises: UserError where the query is wrong.
        """
        known = self._declared()
        try:
            for table in _named(connection, sql, known):
                if table in known:
                    self.relation(connection, self.cells(table)).create_view(table)
            kinds = [statement.type for statement in connection.extract_statements(sql)]
            if any(kind not in _READING for kind in kinds):
                raise UserError("the statement is not a query", remedy="ask with SELECT or FROM")
            relation = connection.sql(sql)
            return (relation.columns, rows_of(relation)) if relation is not None else ([], [])
        except duckdb.CatalogException as error:
            unknown = sorted(_named(connection, sql, known) - known)
            if not unknown:
                raise UserError(f"the query cannot be answered: {error}", remedy="use what DuckDB has") from error
            raise self.absent(unknown[0]) from error
        except duckdb.Error as error:
            raise UserError(f"the query cannot be answered: {error}", remedy="correct the query") from error


def _named(connection: duckdb.DuckDBPyConnection, sql: str, known: set[str]) -> set[str]:
    """Return the tables that a query names; where it cannot be told before they are there, those it may name."""
    try:
        return set(connection.get_table_names(sql))
    except duckdb.BinderException:  # JOIN ... USING asks the tables for their columns
        return {key for key in known if key in sql}


@contextmanager
def reading(project: Project, position: int | None = None, *, kept_from: int | None = None) -> Iterator[Published]:
    """Yield what is published, or was as of a record; what it names is not removed before the block ends.

    `kept_from`: nor is what was current after an earlier record.
    """
    if kept_from is None:
        kept_from = tail(project.state / "journal").seq if position is None else position
    name = str(uuid.uuid4())
    with Lease(project.state / "readers", name, kept_from):
        published = _published(project, position, name)  # looks at the index after the lease is held
        try:
            yield published
        finally:
            shutil.rmtree(published.spill, ignore_errors=True)


def _published(project: Project, position: int | None, name: str) -> Published:
    if position is not None:
        return Published(project, position, is_past=True, now=datetime.now(UTC), name=name)
    with Catalog(project.state).read() as connection:
        return Published(project, position_of(connection).seq, is_past=False, now=datetime.now(UTC), name=name)


class _Members:
    """Which cells a definition of partitions has: those of an earlier definition are not the asset's any more."""

    def __init__(self, partitions: Partitions | None, now: datetime) -> None:
        self._partitions = partitions
        self._scheme = None if partitions is None else partitions.scheme
        self._first, self._end = (0, 0) if partitions is None else partitions.bounds(now)

    def holds(self, key: str | None, ordinal: int, scheme: str) -> bool:
        if self._partitions is None or key is None:
            return self._partitions is None and key is None
        if scheme == self._scheme:
            return self._first <= ordinal < self._end
        try:
            ordinal = self._partitions.ordinal(key)
        except UserError:
            return False
        # A day's key also spells the hour, the week or the month that begins with it: those are other cells.
        return self._first <= ordinal < self._end and self._partitions.key(ordinal) == key

    def require(self, asset: str, key: str) -> None:
        """Raise SelectionError where a text is no key of these partitions."""
        if self._partitions is None:
            raise SelectionError(f"{asset} has no partitions", remedy=f"write {asset}")
        if not self._first <= self._partitions.ordinal(key) < self._end:
            known = "none yet"
            if self._first < self._end:
                known = f"{self._partitions.key(self._first)} to {self._partitions.key(self._end - 1)}"
            raise SelectionError(f"{asset}@{key} is outside of its partitions ({known})", remedy="name one inside")


def removal_words(project: Project, asset: str, version: str) -> str | None:
    """Return in words when, by whom and why the file of a version was removed; None where it was not."""
    with Catalog(project.state).read() as connection:
        rows = connection.sql(query("removal"), params={"asset": asset, "version": version}).fetchall()
    if not rows:
        return None
    ((at, who, reason),) = rows
    return f"was collected {at} (UTC) by {who or 'somebody'}: {reason}"


def _external(asset: str) -> SelectionError:
    return SelectionError(f"{asset} is external: its data is elsewhere", remedy="show an asset that reads it")


def rows_of(relation: duckdb.DuckDBPyRelation) -> list[tuple[Any, ...]]:
    """Return the rows as Python values, by way of Arrow: DuckDB itself makes no times with a zone without pytz."""
    table = relation.to_arrow_table()
    return list(zip(*(column.to_pylist(maps_as_pydicts="lossy") for column in table.columns), strict=True))
