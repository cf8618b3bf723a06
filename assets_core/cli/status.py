"""`assets status`: how many cells of each asset are fresh, stale, missing or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from .app import AsJson, AsOf, ProjectFolder, Selection
from .output import print_json, print_table

if TYPE_CHECKING:
    from ..project import Project

_STATES = ("fresh", "stale", "missing", "failed")


def add_to(app: typer.Typer) -> None:
    app.command("status")(status)


def status(
    selection: Selection = "*", as_of: AsOf = None, as_json: AsJson = False, project: ProjectFolder = None
) -> None:
    """Print a row an asset: its selected cells, and how many are fresh, stale, missing, failed. Also during a run.

    A cell is in one of these states: failed if the last attempt failed; stale also where something upstream will run.
    With --as-of: how many cells of each asset declared then were published, and how many had failed; what was stale
    then is not told, since that depends on the code of then.

    Example: assets status group:marts

    Example: assets status "partition:2013-01 and not state:fresh"
    """
    from datetime import UTC, datetime
    from functools import partial

    from ..keeping.moments import position_of
    from ..materialize import look
    from ..planning.choose import choose, states_of
    from ..project import find_project

    found = find_project(project)
    if as_of is not None:
        _print_then(found, selection, as_of, as_json=as_json)
        return
    world = look(found).world
    moment = partial(position_of, found, now=datetime.now(UTC))
    chosen = choose(world, selection, moment=moment, code_now=found.code_parts)
    rows = [
        {
            "asset": key,
            "cells": int(chosen[key].sum()),
            **{state: int((getattr(states, state) & chosen[key]).sum()) for state in _STATES},
        }
        for key, states in states_of(world).items()
        if key in chosen
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(["asset", "cells", *_STATES], [list(row.values()) for row in rows])


def _print_then(found: Project, selection: str, as_of: str, *, as_json: bool) -> None:
    from catalog.queries import load
    from catalog.session import Catalog

    from ..errors import UserError
    from ..keeping.moments import position_asked

    if selection != "*":
        raise UserError("a selection is of the assets of now", remedy="leave it out: --as-of prints all assets of then")
    params = {"position": position_asked(found, as_of)}
    with Catalog(found.state).read() as connection:
        relation = connection.sql(load("status_then"), params=params)
        columns, rows = relation.columns, relation.fetchall()
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)
