"""What the catalog knows of the past: the port of `past.py` answered with queries, as of one record.

Made by whoever looks at a project; every answer is read when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.apply import position_of
from catalog.queries import load as query

from ..model.asset import Asset
from ..model.code_part import CodePart
from ..model.graph import Graph
from ..model.keys import AssetKey
from .cells import BATCH_ROWS, Columns
from .past import CodeOf
from .world import World, cell_members, members_of, read_world

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Read = Callable[[], AbstractContextManager["duckdb.DuckDBPyConnection"]]


def recorded_world(connection: duckdb.DuckDBPyConnection, read: Read, graph: Graph, now: datetime) -> World:
    """Return the world as the index describes it; `read` opens the index again, should more be asked of the past."""
    past = CatalogPast(read, graph.assets, position_of(connection).seq)
    batches = batches_of_cells(connection, cell_members(graph))
    return read_world(graph, now, batches, connection.sql(query("failed_cells")).fetchall, past)


def batches_of_cells(connection: duckdb.DuckDBPyConnection, members: Mapping[str, list[str]]) -> Iterator[Columns]:
    """Yield the rows of the query `cells` in batches."""
    (rows,) = connection.sql(query("cell_rows")).fetchall()[0]
    for first in range(0, rows, BATCH_ROWS):
        params = {**members, "first": first, "end": first + BATCH_ROWS}
        columns = _filled(connection.sql(query("cells"), params=params))
        ids = columns["id"][columns["is_renumbered"]]
        keys = np.zeros(0, np.object_)
        if len(ids):
            found = _filled(connection.sql(query("cell_keys"), params={"ids": ids.tolist()}))
            keys = found["partition"][np.searchsorted(found["id"], ids)]
        yield {**columns, "partition": keys}


def _filled(relation: duckdb.DuckDBPyRelation) -> Columns:
    """Return the columns of a relation; NULL is None."""
    return {
        name: values.filled(None)
        if isinstance(values, np.ma.MaskedArray) and values.dtype == np.object_
        else np.asarray(values)
        for name, values in relation.fetchnumpy().items()
    }


class CatalogPast:
    """The past of assets, by their definitions of now, as of the journal's record `position`."""

    def __init__(self, read: Read, assets: Mapping[AssetKey, Asset], position: int) -> None:
        self._read = read
        self._assets = assets
        self._position = position

    def details(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        return self._ask("cell_details", assets)

    def recipes(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        return self._ask("cell_recipes", assets)

    def readings(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Sequence[tuple[int, str | None]]]:
        found: dict[AssetKey, list[tuple[int, str | None]]] = {}
        for asset, seq, reads in self._rows("readings", {"assets": list(assets)}):
            found.setdefault(asset, []).append((seq, reads))
        return found

    def inputs(self, assets: Collection[AssetKey]) -> tuple[Mapping[AssetKey, Columns], Sequence[str]]:
        table = self._table("cell_inputs", assets)
        names = table.column("name").combine_chunks().dictionary_encode()
        columns = {**_arrays(table.drop_columns(["name"])), "edge": names.indices.to_numpy()}
        return _by_asset(columns, list(assets)), [str(name) for name in names.dictionary.to_pylist()]

    def columns(self, assets: Collection[AssetKey]) -> tuple[Mapping[AssetKey, Columns], Sequence[tuple[str, str]]]:
        table = self._table("cell_columns", assets)
        names, kinds = (table.column(name).combine_chunks().dictionary_encode() for name in ("name", "type"))
        pairs = [
            (str(name), str(kind)) for name in names.dictionary.to_pylist() for kind in kinds.dictionary.to_pylist()
        ]
        numbers = names.indices.to_numpy().astype(np.int64) * len(kinds.dictionary) + kinds.indices.to_numpy()
        columns = {**_arrays(table.drop_columns(["name", "type"])), "pair": numbers}
        return _by_asset(columns, list(assets)), pairs

    def since(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        return self._ask("cell_since", assets)

    def made_at(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        return self._ask("cell_made_at", assets)

    def file_digests(self, asset: AssetKey, versions: Collection[str]) -> Mapping[str, Sequence[str]]:
        return dict(self._rows("file_digests", {"asset": asset, "versions": list(versions)}))

    def changed_columns(
        self, asset: AssetKey, partitions: Sequence[str | None], read_at: Sequence[int]
    ) -> Sequence[str]:
        params = {"asset": asset, "partitions": list(partitions), "read_at": list(read_at), "position": self._position}
        return [name for (name,) in self._rows("changed_columns", params)]

    def rolled_back(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        return self._ask("cell_rolled_back", assets)

    def declarations(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Sequence[tuple[int, str | None]]]:
        found: dict[AssetKey, list[tuple[int, str | None]]] = {}
        for asset, seq, document in self._rows("declarations_of", {"assets": list(assets)}):
            found.setdefault(asset, []).append((seq, document))
        return found

    def code_versions(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Sequence[str]]:
        found: dict[AssetKey, list[str]] = {}
        for asset, version in self._rows("code_versions", {"assets": list(assets)}):
            found.setdefault(asset, []).append(version)
        return found

    def code_parts(self, versions: Collection[CodeOf]) -> Mapping[CodeOf, Sequence[CodePart]]:
        found: dict[CodeOf, list[CodePart]] = {}
        params = {"assets": [asset for asset, _ in versions], "code_versions": [version for _, version in versions]}
        for asset, version, kind, name, digest, text in self._rows("code_parts", params):
            part = CodePart(kind=kind, name=name, digest=digest, text=text)
            found.setdefault((asset, version), []).append(part)
        return found

    def _rows(self, name: str, params: Mapping[str, object]) -> list[Any]:
        with self._read() as connection:
            return connection.sql(query(name), params=dict(params)).fetchall()

    def _params(self, assets: Collection[AssetKey]) -> dict[str, Any]:
        return {**members_of([self._assets[key] for key in assets]), "position": self._position}

    def _ask(self, name: str, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        with self._read() as connection:
            columns = _filled(connection.sql(query(name), params=self._params(assets)))
        return _by_asset(columns, list(assets))

    def _table(self, name: str, assets: Collection[AssetKey]) -> pa.Table:
        """Return the rows of a query in which few texts stand in very many rows."""
        with self._read() as connection:
            table: pa.Table = connection.sql(query(name), params=self._params(assets)).to_arrow_table()
        return table


def _arrays(table: pa.Table) -> Columns:
    return {name: table.column(name).to_numpy() for name in table.schema.names}


def _by_asset(columns: Columns, keys: Sequence[AssetKey]) -> Mapping[AssetKey, Columns]:
    """Return the rows of each asset; `place` is 0 in all of them, since each asset has arrays of its own."""
    found: dict[AssetKey, Columns] = {}
    place = columns["place"]
    if (place[1:] < place[:-1]).any():
        order = np.argsort(place, kind="stable")
        columns = {name: values[order] for name, values in columns.items()}
    bounds = np.searchsorted(columns["place"], np.arange(len(keys) + 1)).tolist()
    for key, start, stop in zip(keys, bounds, bounds[1:], strict=False):
        if start < stop:
            own = {name: values[start:stop] for name, values in columns.items()}
            own |= {"place": np.zeros(stop - start, np.int64), "is_renumbered": own["is_renumbered"].astype(np.bool_)}
            found[key] = {**own, "partition": own["partition"][own["is_renumbered"]]}
    return found
