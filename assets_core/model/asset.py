"""Asset: what should exist, as loaded from a project; a value that can be written down and read back.

Made by `project.py`, used by planning, execution, lineage and the commands. It holds no function: what runs is looked
up by its key when a step needs it, so that a plan can be made without importing the project's code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..errors import Place
from .checks import Severity
from .handling import Handling, handling_from_json
from .keys import AssetKey
from .mapping import PartitionMapping, describe_mapping, parse_mapping
from .partitions import Partitions, parse_partitions


class AssetKind(StrEnum):
    """How an asset comes to be: by a Python function, a SQL query, a command, or from outside (observed, not made)."""

    FUNCTION = "function"
    SQL = "sql"
    COMMAND = "command"
    EXTERNAL = "external"


class HandOff(StrEnum):
    """What a function is handed for an input."""

    POLARS_LAZY = "polars.LazyFrame"
    POLARS = "polars.DataFrame"
    ARROW_TABLE = "pyarrow.Table"
    ARROW_READER = "pyarrow.RecordBatchReader"
    DUCKDB = "duckdb.DuckDBPyRelation"
    PANDAS = "pandas.DataFrame"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Edge:
    """One upstream of an asset: `name` is the parameter (or the table of a query) that receives it.

    `columns` narrows what is handed over; `hand_off` is None where the upstream is only waited for (`after`);
    `by_partition` hands a mapping from partition key to frame instead of one frame. `optional`: where the mapping reads
    no partition at all, None (or an empty mapping) is handed over, and nothing is blocked.
    """

    name: str
    upstream: AssetKey
    mapping: PartitionMapping
    columns: tuple[str, ...] | None = None
    hand_off: HandOff | None = None
    by_partition: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """One check of an asset (`contract` is its schema), with the version of its code."""

    name: str
    severity: Severity
    version: str


@dataclass(frozen=True, slots=True)
class Asset:
    """What should exist. `code_version` and the versions in `checks` are digests of 32 hexadecimal digits.

    `partition_parameter` is the name of the parameter that receives the `Partition`; `unknown` names what the code
    uses but whose content cannot be determined: such an asset is never fresh. `parameters` are the values that its
    function or query is given beside its inputs: times as ISO texts. `libraries_not_followed` names the installed
    packages that its code uses whose versions do not count. A cell whose data was made longer than
    `expires_after_seconds` ago is stale. `handling`: how its cells are run.
    """

    key: AssetKey
    kind: AssetKind
    place: Place
    code_version: str
    partitions: Partitions | None = None
    edges: tuple[Edge, ...] = ()
    checks: tuple[CheckSpec, ...] = ()
    owners: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    group: str = "default"
    description: str = ""
    query: str | None = None
    path: str | None = None
    batch: bool = False
    partition_parameter: str | None = None
    unknown: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    libraries_not_followed: tuple[str, ...] = ()
    expires_after_seconds: int | None = None
    handling: Handling = field(default_factory=Handling)

    @property
    def is_external(self) -> bool:
        return self.kind is AssetKind.EXTERNAL

    def to_json(self) -> dict[str, Any]:
        """Return the asset as JSON values; `asset_from_json` is the inverse."""
        return {
            "asset": self.key,
            "kind": self.kind,
            "file": self.place.file,
            "line": self.place.line,
            "code_version": self.code_version,
            "partitions": None if self.partitions is None else self.partitions.describe(),
            "upstreams": [
                {
                    "name": edge.name,
                    "asset": edge.upstream,
                    "mapping": describe_mapping(edge.mapping),
                    "columns": None if edge.columns is None else list(edge.columns),
                    "hand_off": edge.hand_off,
                    "by_partition": edge.by_partition,
                    "optional": edge.optional,
                }
                for edge in self.edges
            ],
            "checks": [{"name": c.name, "severity": c.severity, "version": c.version} for c in self.checks],
            "owners": list(self.owners),
            "tags": dict(self.tags),
            "group": self.group,
            "description": self.description,
            "query": self.query,
            "path": self.path,
            "batch": self.batch,
            "partition_parameter": self.partition_parameter,
            "unknown": list(self.unknown),
            "parameters": dict(self.parameters),
            "libraries_not_followed": list(self.libraries_not_followed),
            "expires_after_seconds": self.expires_after_seconds,
            "handling": self.handling.to_json(),
        }


def assets_from_json(documents: Iterable[Mapping[str, Any]]) -> list[Asset]:
    """Return the assets that `to_json` wrote; those of equal partitions share one value, which is read once."""
    known: dict[str, Partitions | None] = {}
    assets = []
    for document in documents:
        text = repr(document["partitions"])
        if text not in known:
            known[text] = _partitions_from_json(document["partitions"])
        assets.append(_asset_from_json(document, known[text]))
    return assets


def asset_from_json(document: Mapping[str, Any]) -> Asset:
    """Return the asset that `to_json` wrote."""
    return _asset_from_json(document, _partitions_from_json(document["partitions"]))


def _partitions_from_json(document: Mapping[str, Any] | None) -> Partitions | None:
    return None if document is None else parse_partitions(document)


def _asset_from_json(document: Mapping[str, Any], partitions: Partitions | None) -> Asset:
    return Asset(
        key=AssetKey(document["asset"]),
        kind=AssetKind(document["kind"]),
        place=Place(document["file"], document["line"]),
        code_version=document["code_version"],
        partitions=partitions,
        edges=tuple(
            Edge(
                name=edge["name"],
                upstream=AssetKey(edge["asset"]),
                mapping=parse_mapping(edge["mapping"]),
                columns=None if edge["columns"] is None else tuple(edge["columns"]),
                hand_off=None if edge["hand_off"] is None else HandOff(edge["hand_off"]),
                by_partition=edge["by_partition"],
                optional=edge["optional"],
            )
            for edge in document["upstreams"]
        ),
        checks=tuple(CheckSpec(c["name"], Severity(c["severity"]), c["version"]) for c in document["checks"]),
        owners=tuple(document["owners"]),
        tags=document["tags"],
        group=document["group"],
        description=document["description"],
        query=document["query"],
        path=document["path"],
        batch=document["batch"],
        partition_parameter=document["partition_parameter"],
        unknown=tuple(document["unknown"]),
        parameters=document["parameters"],
        libraries_not_followed=tuple(document["libraries_not_followed"]),
        expires_after_seconds=document["expires_after_seconds"],
        handling=handling_from_json(document["handling"]),
    )
