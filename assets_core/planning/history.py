"""What the catalog knows of the past, read when a plan is explained.

Used by the commands; implements `evidence.History`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from catalog.queries import load as query
from catalog.session import Catalog

from ..model.keys import AssetKey
from .evidence import RecordedInput

Versions = Mapping[str | None, tuple[list[int], list[str]]]


class CatalogHistory:
    """Reads each asset's past once."""

    def __init__(self, state_folder: Path) -> None:
        self._catalog = Catalog(state_folder)
        self.inputs = cache(self._inputs)
        self.versions = cache(self._versions)

    def _inputs(self, asset: AssetKey) -> Mapping[tuple[str | None, str], RecordedInput]:
        with self._catalog.read() as connection:
            rows = connection.sql(query("recorded_inputs"), params={"asset": asset}).fetchall()
        return {(partition, name): RecordedInput(digest, position) for partition, name, digest, position in rows}

    def _versions(self, asset: AssetKey) -> Versions:
        with self._catalog.read() as connection:
            rows = connection.sql(query("past_versions"), params={"asset": asset}).fetchall()
        found: dict[str | None, tuple[list[int], list[str]]] = {}
        for partition, seq, version in rows:
            positions, versions = found.setdefault(partition, ([], []))
            positions.append(seq)
            versions.append(version)
        return found
