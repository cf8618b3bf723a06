"""`assets status`: how many cells of each asset are fresh, stale, missing or failed."""

from __future__ import annotations

import typer

from .app import AsJson, ProjectFolder, Selection
from .output import print_json, print_table

_STATES = ("fresh", "stale", "missing", "failed")


def add_to(app: typer.Typer) -> None:
    app.command("status")(status)


def status(selection: Selection = "*", as_json: AsJson = False, project: ProjectFolder = None) -> None:
    """Print a row an asset: its cells, and how many are fresh, stale, missing, failed. Also while a run is going on.

    A cell is in one of these states: failed if the last attempt failed; stale also where something upstream will run.

    Example: assets status group:marts
    """
    from ..materialize import look
    from ..planning.choose import choose, states_of
    from ..project import find_project

    world = look(find_project(project)).world
    chosen = choose(world, selection)
    rows = [
        {
            "asset": key,
            "cells": len(world.states[key]),
            **{state: int(getattr(states, state).sum()) for state in _STATES},
        }
        for key, states in states_of(world).items()
        if key in chosen
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(["asset", "cells", *_STATES], [list(row.values()) for row in rows])
