"""`assets backfill`: a run over a range of partitions, recorded and resumable."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import AsJson, Atomic, Force, ProjectFolder
from .execute import execute


def add_to(app: typer.Typer) -> None:
    app.command("backfill")(backfill)


def backfill(
    selection: Annotated[str, typer.Argument(metavar="SELECTION", help="Which cells, as in `assets plan`.")],
    partitions: Annotated[
        str, typer.Option("--partitions", metavar="A..B", help="The range of partitions; both ends count.")
    ],
    force: Force = False,
    atomic: Atomic = False,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Make a range of partitions. Interrupted and started again, it does only what is left.

    Example: assets backfill "flights+" --partitions 2013-01-01..2013-06-30

    Example: assets backfill "flights+ and not state:failed" --partitions 2013-01
    """
    execute("backfill", selection, partitions, force=force, atomic=atomic, as_json=as_json, folder=project)
