"""`assets runs`: what was run, newest first."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .app import AsJson, AsOf, ProjectFolder
from .output import print_json, print_table

_COLUMNS = [
    "run",
    "kind",
    "selection",
    "partitions",
    "state",
    "cells",
    "made",
    "fresh",
    "failed",
    "blocked",
    "started",
    "seconds",
    "by",
]


def add_to(app: typer.Typer) -> None:
    app.command("runs")(runs)


def runs(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    as_of: AsOf = None,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print the latest runs and backfills with their state; for one that is going on, how many cells it has made.

    A run that has not ended but shows no sign of life is `stopped`: the next run ends it and takes over.

    Example: assets runs --limit 5
    """
    from catalog.queries import load
    from catalog.session import Catalog

    from ..execution.lease import is_alive
    from ..keeping.moments import END, position_asked
    from ..project import find_project

    found = find_project(project)
    position = position_asked(found, as_of) or END
    with Catalog(found.state).read() as connection:
        rows = connection.sql(load("runs"), params={"limit": limit, "position": position}).fetchall()
    place = _COLUMNS.index("state")
    for number, row in enumerate(rows):
        if (
            as_of is None
            and row[place] == "running"
            and not is_alive(found.state / "runs", row[0], found.settings.lease_seconds)
        ):
            rows[number] = (*row[:place], "stopped", *row[place + 1 :])
    if as_json:
        print_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    elif sys.stdout.isatty():  # a terminal is narrow: the first letters name a run well enough
        print_table(_COLUMNS, [(row[0][:8], *row[1:]) for row in rows])
    else:
        print_table(_COLUMNS, rows)
