"""`assets materialize`: make what is stale."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import AsEvents, AsJson, Atomic, ExecutorName, FailFast, Force, PartitionRange, ProjectFolder, SelectionIfAny
from .execute import execute


def add_to(app: typer.Typer) -> None:
    app.command("materialize")(materialize)


def materialize(
    selection: SelectionIfAny = None,
    partitions: PartitionRange = None,
    force: Force = False,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="Exactly what `assets plan --out` wrote there, or nothing."),
    ] = None,
    atomic: Atomic = False,
    fail_fast: FailFast = False,
    executor: ExecutorName = None,
    as_json: AsJson = False,
    as_events: AsEvents = False,
    project: ProjectFolder = None,
) -> None:
    """Make every stale cell of a selection, of everything unless told, and publish each when its checks pass.

    Example: assets materialize +carrier_months --partitions 2013-01..2013-03

    Example: assets materialize state:failed

    Example: assets materialize --plan plan.json
    """
    if plan is not None and (selection is not None or partitions is not None or force):
        from ..errors import UserError

        raise UserError(
            f"the plan in {plan} says what is made already",
            remedy="leave out SELECTION, --partitions and --force; they are given to: assets plan --out FILE",
        )
    execute(
        "materialize",
        "*" if selection is None else selection,
        partitions,
        force=force,
        atomic=atomic,
        as_json=as_json,
        as_events=as_events,
        fail_fast=fail_fast,
        executor=executor,
        folder=project,
        plan_file=plan,
    )
