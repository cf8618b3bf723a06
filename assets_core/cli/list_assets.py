"""`assets list`: what the project declares."""

from __future__ import annotations

import typer

from ..model.asset import Asset
from ..model.keys import AssetKey
from ..model.partitions import Partitions, ProductPartitions, StaticPartitions, TimePartitions
from .app import AsJson, ProjectFolder, Selection
from .output import print_json, print_table


def add_to(app: typer.Typer) -> None:
    app.command("list")(list_assets)


def list_assets(selection: Selection = "*", as_json: AsJson = False, project: ProjectFolder = None) -> None:
    """Print the declared assets with their partitions, upstreams and owners.

    Example: assets list tag:domain=flights
    """
    from ..materialize import look
    from ..model.selection import select
    from ..planning.choose import states_of
    from ..project import find_project

    found = find_project(project)

    def in_state(state: str) -> frozenset[AssetKey]:
        world = look(found).world
        return frozenset(key for key, states in states_of(world).items() if getattr(states, state).any())

    keys = select(selection, found.graph, in_state)
    assets = [asset for key, asset in found.graph.assets.items() if key in keys]
    if as_json:
        print_json([asset.to_json() for asset in assets])
        return
    columns = ["asset", "kind", "group", "partitions", "upstreams", "owners", "declared at"]
    print_table(columns, [_row(asset) for asset in assets])


def _row(asset: Asset) -> list[object]:
    upstreams = ", ".join(dict.fromkeys(edge.upstream for edge in asset.edges))
    partitions = "" if asset.partitions is None else partitions_text(asset.partitions)
    return [asset.key, asset.kind, asset.group, partitions, upstreams, ", ".join(asset.owners), asset.place]


def partitions_text(partitions: Partitions) -> str:
    """Return a partitions definition in few words."""
    match partitions:
        case TimePartitions():
            return f"{partitions.kind} {partitions.start}..{partitions.end or 'now'} {partitions.tz}"
        case StaticPartitions(keys=keys):
            return f"{len(keys)} static"
        case ProductPartitions(dimensions=dimensions):
            return " x ".join(f"{name}: {partitions_text(part)}" for name, part in dimensions)
        case _:
            return partitions.kind
