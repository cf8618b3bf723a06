"""What a run writes into the journal about code: the parts of every code version that is not recorded yet.

Called by `conduct.py` when a run begins. It must not know what makes a part.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from catalog.queries import load as query

from ..model.asset import Asset
from ..model.code_part import CodePart
from ..model.keys import AssetKey
from ..project import Project

Fact = tuple[str, dict[str, Any]]


def code_fact(asset: Asset, parts: Iterable[CodePart], known_digests: Collection[str]) -> Fact:
    """Return the fact that states what an asset's code version is made of.

    `known_digests`: those whose texts are recorded with the asset; they are not written again.
    """
    rows = [[part.kind, part.name, part.digest, None if part.digest in known_digests else part.text] for part in parts]
    return "code", {"asset": asset.key, "code_version": asset.code_version, "parts": rows}


def unrecorded_code(project: Project) -> list[Fact]:
    """Return the facts of all assets of a project whose code version is not recorded."""
    with project.catalog.read() as connection:
        recorded = set(connection.sql(query("recorded_code")).fetchall())
        new = [asset for key, asset in project.graph.assets.items() if (key, asset.code_version) not in recorded]
        params = {"assets": [asset.key for asset in new]}
        texts = connection.sql(query("recorded_code_texts"), params=params).fetchall() if new else []
    known: dict[AssetKey, set[str]] = {}
    for key, digest in texts:
        known.setdefault(AssetKey(key), set()).add(digest)
    return [code_fact(asset, project.code_parts(asset.key), known.get(asset.key, set())) for asset in new]
