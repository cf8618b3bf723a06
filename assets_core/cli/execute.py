"""What `materialize` and `backfill` share: run with a progress line, report, exit."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path

import typer

from .output import ProgressLine, report


def execute(
    kind: str,
    selection: str,
    partitions: str | None,
    *,
    force: bool,
    atomic: bool,
    as_json: bool,
    folder: Path | None,
    plan_file: Path | None = None,
) -> None:
    """Materialize a selection, or what a plan file holds, and exit with the code for what came of it."""
    from datetime import UTC, datetime
    from functools import partial

    from ..keeping.moments import position_of
    from ..materialize import materialize
    from ..planning.plan_file import read_plan
    from ..project import find_project

    found = find_project(folder)
    agreed = None
    if plan_file is not None:
        agreed = read_plan(plan_file, found.settings.name)
        selection, partitions, force = agreed.selection, agreed.partitions, agreed.force
    line = ProgressLine()
    try:
        with redirect_stdout(sys.stderr):  # stdout is for facts, not for what a function prints
            result = materialize(
                found,
                selection,
                partitions,
                force=force,
                atomic=atomic,
                kind=kind,
                moment=partial(position_of, found, now=datetime.now(UTC)),
                agreed=agreed,
                on_progress=line,
            )
    finally:
        line.close()
    raise typer.Exit(report(result, as_json=as_json))
