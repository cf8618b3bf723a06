"""`assets materialize`: make what is stale."""

from __future__ import annotations

import typer

from .app import AsJson, Atomic, Force, PartitionRange, ProjectFolder, Selection
from .execute import execute


def add_to(app: typer.Typer) -> None:
    app.command("materialize")(materialize)


def materialize(
    selection: Selection = "*",
    partitions: PartitionRange = None,
    force: Force = False,
    atomic: Atomic = False,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Make every stale cell of a selection and publish each when its checks pass.

    Example: assets materialize +carrier_months --partitions 2013-01..2013-03
    """
    execute("materialize", selection, partitions, force=force, atomic=atomic, as_json=as_json, folder=project)
