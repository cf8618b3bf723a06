"""The published data, for people: which files an asset's cells have now, and SQL over them.

Used by the commands `show` and `query`. Readers go by the pointer in the catalog, never by listing a folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from .errors import InputError, SelectionError, UserError, did_you_mean
from .materialize import look
from .model.keys import AssetKey, Cell, PartitionKey
from .planning.state import World, find_cell
from .project import find_project

_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


@dataclass(frozen=True, slots=True)
class Cells:
    """Published cells of one asset: their files (a file once for each cell that has its content), rows and bytes."""

    files: tuple[str, ...]
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Published:
    """The current cells of a project and the folder that their data is in."""

    world: World
    folder: Path

    @classmethod
    def of(cls, folder: Path | None) -> Published:
        """Return what is published in the project that holds a folder."""
        project = find_project(folder)
        return cls(look(project).world, project.state / "data")

    def cells(self, asset: str, partition: str | None = None) -> Cells:
        """Return the published cells of an asset, or one of them.

        Raises: SelectionError where there is no such asset or partition, or nothing is published.
        """
        state = self.world.states.get(AssetKey(asset))
        if state is None:
            raise SelectionError(
                f"there is no asset {asset!r}{did_you_mean(asset, self.world.states)}", remedy="see: assets list"
            )
        chosen = state.present.copy()
        if partition is not None:
            _, position = find_cell(self.world, Cell(AssetKey(asset), PartitionKey(partition)))
            chosen[:] = False
            chosen[position] = state.present[position]
        if state.asset.is_external:
            raise SelectionError(f"{asset} is external: its data is elsewhere", remedy="show an asset that reads it")
        if not chosen.any():
            raise SelectionError(f"nothing of {asset} is published", remedy=f"run: assets materialize +{asset}")
        files = tuple(str(self.folder / file) for file in state.file[chosen].tolist())
        for position, file in zip(np.flatnonzero(chosen).tolist(), files, strict=True):
            if not Path(file).exists():
                cell = state.cell(state.first + position)
                one = f" --partitions '{cell.partition}'" if cell.partition is not None else ""
                raise InputError(
                    f"the data of {cell} is gone: {file}",
                    remedy=f"make it again: assets materialize {cell.asset}{one} --force",
                )
        return Cells(files, int(state.rows[chosen].sum()), int(state.size_bytes[chosen].sum()))

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a connection that can read the published data and nothing else."""
        connection = duckdb.connect()
        connection.execute("SET allowed_directories = [?]", [f"{self.folder}/"])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET lock_configuration = true")
        return connection

    def relation(self, connection: duckdb.DuckDBPyConnection, cells: Cells) -> duckdb.DuckDBPyRelation:
        """Return the rows of some cells; columns are matched by name."""
        return connection.read_parquet(list(cells.files), union_by_name=len(cells.files) > 1)

    def ask(self, connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns and rows of a query whose tables are asset keys.

        Raises: UserError where the query is wrong.
        """
        try:
            for table in connection.get_table_names(sql):
                if table in self.world.states:
                    self.relation(connection, self.cells(table)).create_view(table)
            kinds = [statement.type for statement in connection.extract_statements(sql)]
            if any(kind not in _READING for kind in kinds):
                raise UserError("the statement is not a query", remedy="ask with SELECT or FROM")
            relation = connection.sql(sql)
            return (relation.columns, rows_of(relation)) if relation is not None else ([], [])
        except duckdb.CatalogException as error:
            unknown = [table for table in sorted(connection.get_table_names(sql)) if table not in self.world.states]
            if not unknown:
                raise UserError(f"the query cannot be answered: {error}", remedy="use what DuckDB has") from error
            near = did_you_mean(unknown[0], self.world.states)
            raise UserError(f"there is no asset {unknown[0]!r}{near}", remedy="see: assets list") from error
        except duckdb.Error as error:
            raise UserError(f"the query cannot be answered: {error}", remedy="correct the query") from error


def rows_of(relation: duckdb.DuckDBPyRelation) -> list[tuple[Any, ...]]:
    """Return the rows as Python values, by way of Arrow: DuckDB itself makes no times with a zone without pytz."""
    table = relation.to_arrow_table()
    return list(zip(*(column.to_pylist(maps_as_pydicts="lossy") for column in table.columns), strict=True))
