"""`assets plan`: every stale cell of a selection, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from .app import AsJson, Force, PartitionRange, ProjectFolder, Selection
from .output import print_json, print_table, say

if TYPE_CHECKING:
    from ..planning.history import CatalogHistory
    from ..planning.plan import Plan


def add_to(app: typer.Typer) -> None:
    app.command("plan")(plan)


def plan(
    selection: Selection = "*",
    partitions: PartitionRange = None,
    force: Force = False,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print every stale cell and why. Nothing is run or written.

    Example: assets plan "group:marts or tag:domain=flights" --partitions 2013-01-01..2013-01-31
    """
    from ..materialize import plan as make
    from ..planning.history import CatalogHistory
    from ..project import find_project

    found = find_project(project)
    planned = make(found, selection, partitions, force=force)
    history = CatalogHistory(found.state)
    if as_json:
        print_json({"stale": planned.stale, "steps": _steps(planned, history)})
        return
    if not planned.stale:
        say(f"nothing to do: {planned.fresh} cells fresh")
        return
    print_table(["asset", "cells", "partitions", "causes"], _rows(planned, history))
    provisional = int(sum(steps.provisional.sum() for steps in planned.steps))
    say(f"{planned.stale} cells stale ({provisional} of them provisional), {planned.fresh} fresh")


def _steps(planned: Plan, history: CatalogHistory) -> list[dict[str, Any]]:
    from ..planning.evidence import evidence_of

    steps: list[dict[str, Any]] = []
    for asset_steps in planned.steps:
        state = planned.world.states[asset_steps.asset.key]
        evidence = evidence_of(planned, asset_steps, history)
        provisional, blocked = asset_steps.provisional.tolist(), asset_steps.blocked.tolist()
        for index, ordinal in enumerate(asset_steps.ordinals.tolist()):
            steps.append(
                {
                    "asset": asset_steps.asset.key,
                    "partition": state.key(ordinal),
                    "causes": evidence.causes(index),
                    "provisional": provisional[index],
                    "blocked": blocked[index],
                }
            )
    return steps


def _rows(planned: Plan, history: CatalogHistory) -> list[list[object]]:
    from ..planning.evidence import evidence_of, words
    from ..planning.plan import first_gap
    from ..planning.ranges import range_texts

    rows: list[list[object]] = []
    for asset_steps in planned.steps:
        for index, causes in evidence_of(planned, asset_steps, history).groups():
            ranges = range_texts(asset_steps.asset.partitions, asset_steps.ordinals[index])
            shown = ", ".join(ranges[:4]) + (f" and {len(ranges) - 4} more" if len(ranges) > 4 else "")
            text = "; ".join(words(cause) for cause in causes)
            blocked = int(asset_steps.blocked[index].sum())
            text += f" (blocked: {blocked}, as {first_gap(planned, asset_steps)})" if blocked else ""
            rows.append([asset_steps.asset.key, len(index), shown, text])
    return rows
