"""A random project as the product has it when it is loaded: its assets and their code, without files and imports.

Used by `array_world.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from legal_choices import document, members
from naive_code import checks, code, library, setting
from naive_partitions import Reading, Scheme
from random_project import LIBRARY, Project
from random_project import Asset as Drawn

from assets_core.errors import Place
from assets_core.model.asset import Asset, AssetKind, CheckSpec, Edge, HandOff
from assets_core.model.checks import Severity
from assets_core.model.code_part import CodePart
from assets_core.model.keys import AssetKey
from assets_core.model.mapping import Explicit, PartitionMapping, parse_mapping, resolve
from assets_core.model.partitions import Partitions, bind, parse_partitions
from assets_core.versions.recipe import lanes_text, text_lanes

HAND_OFFS = {
    "pl.DataFrame": HandOff.POLARS,
    "pl.LazyFrame": HandOff.POLARS_LAZY,
    "pa.Table": HandOff.ARROW_TABLE,
    "pa.RecordBatchReader": HandOff.ARROW_READER,
    "duckdb.DuckDBPyRelation": HandOff.DUCKDB,
}


def digest(value: object) -> str:
    return lanes_text(text_lanes(repr(value)))


def assets_of(project: Project) -> list[Asset]:
    """Return the assets of a project, as a load of its sources would give them."""
    partitions = {key: bound(asset.scheme, project) for key, asset in project.assets.items()}
    return [_asset(asset, project, partitions) for asset in project.assets.values()]


def bound(scheme: Scheme | None, project: Project) -> Partitions | None:
    if scheme is None:
        return None
    sets = {name: (keys, 0) for name, keys in project.sets.items()}
    return bind(parse_partitions(members(scheme)), sets)


def _asset(asset: Drawn, project: Project, partitions: Mapping[str, Partitions | None]) -> Asset:
    own = partitions[asset.key]
    edges = [
        Edge(
            given.name,
            AssetKey(given.upstream),
            resolve(_mapping(given.reading), own, partitions[given.upstream]),
            given.columns,
            HAND_OFFS[given.hand_off] if asset.kind == "function" else HandOff.DUCKDB,
            given.by_partition,
            given.optional or given.by_partition,
        )
        for given in asset.inputs
    ]
    edges += [
        Edge(f"after {key}", AssetKey(key), resolve(None, own, partitions[key]), None, None) for key in asset.after
    ]
    kind = (
        AssetKind.EXTERNAL if asset.is_external else AssetKind.FUNCTION if asset.kind == "function" else AssetKind.SQL
    )
    judged = (CheckSpec("all", Severity.ERROR, digest(checks(asset))),) if any(checks(asset)) else ()
    return Asset(
        AssetKey(asset.key),
        kind,
        Place("assets.py", 1),
        digest([part.digest for part in code_parts(asset, project)]),
        own,
        tuple(edges),
        judged,
        path=asset.path if asset.is_external else None,
        batch=asset.batch,
        expires_after_seconds=None if asset.expires is None else asset.expires * 3600,
    )


def code_parts(asset: Drawn, project: Project) -> list[CodePart]:
    """Return what the code of an asset is made of: its function, what is set of its parameter, its library."""
    found = [("function", asset.key, repr(code(asset, project)))]
    for kind, name, value in (
        ("parameter", "bonus", setting(asset, project)),
        ("library", LIBRARY, library(asset, project)),
    ):
        found += [] if value is None else [(kind, name, f"{name} {value}")]
    return [CodePart(kind=kind, name=name, digest=digest(text), text=text) for kind, name, text in found]


def same_key(key: str) -> list[str]:
    return [key]


def _fixed(keys: Sequence[str]) -> PartitionMapping:
    return Explicit(lambda _: keys)


def _mapping(reading: Reading) -> PartitionMapping | None:
    match reading.kind:
        case "inferred":
            return None
        case "same":
            return Explicit(same_key)
        case "fixed":
            return _fixed(reading.keys)
    return parse_mapping(document(reading))
