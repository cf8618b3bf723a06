"""Column lineage of SQL assets as a run records it: once for each asset that it makes, from the schemas at that time.

Owned by the coordinator of a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import UserError
from ..model.asset import Asset
from ..model.keys import AssetKey
from .sql_columns import column_lineage

Columns = Sequence[tuple[str, str]]


class SqlLineage:
    """Knows the newest columns of each asset; `columns` are those of the catalog, name and type in order."""

    def __init__(self, columns: Mapping[AssetKey, Columns]) -> None:
        self._columns = dict(columns)
        self._recorded: set[AssetKey] = set()

    def see(self, asset: Asset, columns: Columns) -> dict[str, Any] | None:
        """Take in the columns of a cell just made; return the payload to record where its lineage is new in this run.

        Nothing is returned where a column of an upstream is not known: that of an external asset, for example.
        """
        self._columns[asset.key] = columns
        if asset.query is None or asset.key in self._recorded:
            return None
        self._recorded.add(asset.key)
        schemas: dict[str, Columns] = {}
        for edge in asset.edges:
            known = self._columns.get(edge.upstream)
            if edge.hand_off is not None and known is not None:
                schemas[edge.name] = [pair for pair in known if edge.columns is None or pair[0] in edge.columns]
        upstreams = {edge.name: edge.upstream for edge in asset.edges}
        try:
            found = column_lineage(asset.query, schemas)
        except UserError:
            return None
        return {
            "asset": asset.key,
            "code_version": asset.code_version,
            "columns": {
                name: [[upstreams[source.upstream], source.column, source.how] for source in sources]
                for name, sources in found.items()
            },
        }
