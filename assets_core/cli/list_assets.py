"""`assets list`: what the project declares."""

from __future__ import annotations

import typer

from ..model.asset import Asset
from ..model.partitions import DynamicPartitions, Partitions, ProductPartitions, StaticPartitions, TimePartitions
from .app import AsJson, ProjectFolder, Selection
from .output import print_json, print_table


def add_to(app: typer.Typer) -> None:
    app.command("list")(list_assets)


def list_assets(selection: Selection = "*", as_json: AsJson = False, project: ProjectFolder = None) -> None:
    """Print the declared assets with their partitions, upstreams and owners: those that have a selected cell.

    Example: assets list tag:domain=flights
    """
    from datetime import UTC, datetime
    from functools import partial

    from ..keeping.moments import position_of
    from ..materialize import look
    from ..model.pick import is_of_assets, pick_assets
    from ..model.selection import parse
    from ..planning.choose import pick_cells
    from ..project import find_project

    found = find_project(project)
    tree = parse(selection)
    if is_of_assets(tree):  # the definitions alone tell, whatever the state of the records
        keys = pick_assets(tree, found.graph)
    else:
        moment = partial(position_of, found, now=datetime.now(UTC))
        keys = frozenset(pick_cells(look(found).world, selection, moment=moment, code_now=found.code_parts))
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
        case DynamicPartitions(name=name):
            return f"dynamic {name}"
        case StaticPartitions(keys=keys):
            return f"{len(keys)} static"
        case ProductPartitions(dimensions=dimensions):
            return " x ".join(f"{name}: {partitions_text(part)}" for name, part in dimensions)
        case _:
            return partitions.kind
