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
) -> None:
    """Materialize a selection and exit with the code for what came of it."""
    from ..materialize import materialize
    from ..project import find_project

    line = ProgressLine()
    try:
        with redirect_stdout(sys.stderr):  # stdout is for facts, not for what a function prints
            result = materialize(
                find_project(folder), selection, partitions, force=force, atomic=atomic, kind=kind, on_progress=line
            )
    finally:
        line.close()
    raise typer.Exit(report(result, as_json=as_json))
