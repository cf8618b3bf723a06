"""`assets backfill`: a run over a range of partitions, recorded and resumable."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import AsEvents, AsJson, Atomic, ExecutorName, FailFast, Force, ProjectFolder
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
    fail_fast: FailFast = False,
    executor: ExecutorName = None,
    as_json: AsJson = False,
    as_events: AsEvents = False,
    project: ProjectFolder = None,
) -> None:
    """Make a range of partitions. Interrupted and started again, it does only what is left.

    `assets runs --kind backfill` lists backfills; while one goes on, `assets runs pause`, `resume`, `cancel` and
    `concurrency` steer it, and `assets runs retry` makes what failed.

    Example: assets backfill "flights+" --partitions 2013-01-01..2013-06-30

    Example: assets backfill "flights+ and not state:failed" --partitions 2013-01
    """
    execute(
        "backfill",
        selection,
        partitions,
        force=force,
        atomic=atomic,
        as_json=as_json,
        as_events=as_events,
        fail_fast=fail_fast,
        executor=executor,
        folder=project,
    )
