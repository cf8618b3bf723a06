"""`assets runs`: what was run, newest first; steer a run that goes on, and go on with one that has ended."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .app import AsEvents, AsJson, AsOf, ExecutorName, FailFast, ProjectFolder
from .output import print_json, print_table, say

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
    "continues",
]

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run, by the first letters of its name, or: latest.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        name="runs",
        invoke_without_command=True,
        rich_markup_mode=None,
    )
    group.callback()(runs)
    for command in (pause, resume, cancel, concurrency, retry):
        group.command()(command)
    app.add_typer(group)


def runs(
    asked: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="Only of this kind: materialize or backfill.")
    ] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print the latest runs and backfills with their state; for one that is going on, how many cells it has made.

    A run that has not ended but shows no sign of life is `stopped`: the next run ends it and takes over.

    Example: assets runs --kind backfill --limit 5

    Example: assets runs pause latest
    """
    if asked.invoked_subcommand is not None:
        _refuse_options(asked)
        return
    from catalog.queries import load

    from ..execution.lease import is_alive
    from ..keeping.moments import END, position_asked
    from ..project import find_project

    found = find_project(project)
    position = position_asked(found, as_of) or END
    with found.catalog.read() as connection:
        params = {"limit": limit, "position": position, "kind": kind}
        rows = connection.sql(load("runs"), params=params).fetchall()
    place = _COLUMNS.index("state")
    for number, row in enumerate(rows):
        if (
            as_of is None
            and row[place] in ("running", "paused")
            and not is_alive(found.state / "runs", row[0], found.settings.lease_seconds)
        ):
            rows[number] = (*row[:place], "stopped", *row[place + 1 :])
    if as_json:
        print_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    elif sys.stdout.isatty():  # a terminal is narrow: the first letters name a run well enough
        print_table(_COLUMNS, [(row[0][:8], *row[1:-1], (row[-1] or "")[:8]) for row in rows])
    else:
        print_table(_COLUMNS, rows)


def _refuse_options(asked: typer.Context) -> None:
    """What stands before the name of a command would not reach it: nobody shall steer a run of another project."""
    for name in asked.params:
        source = asked.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            from ..errors import UserError

            raise UserError(
                f"options of `assets runs` stand before {asked.invoked_subcommand}",
                remedy=f"write them behind it: assets runs {asked.invoked_subcommand} RUN ...",
            )


def pause(run: Run, reason: Reason = None, project: ProjectFolder = None) -> None:
    """Let a run begin no more steps; those that run go on to their end, and it keeps its cells.

    Example: assets runs pause latest --reason "the warehouse is slow"
    """
    _steer("pause", run, "is asked to pause: steps that run go on to their end", reason, project)


def cancel(run: Run, reason: Reason = None, project: ProjectFolder = None) -> None:
    """End a run: steps that wait are dropped, those in processes are ended, those in threads end by themselves.

    What it has published stays.

    Example: assets runs cancel latest
    """
    _steer("cancel", run, "is asked to stop: what it has published stays", reason, project)


def concurrency(
    run: Run,
    steps: Annotated[int, typer.Argument(metavar="STEPS", min=1, help="How many steps may run at a time.")],
    reason: Reason = None,
    project: ProjectFolder = None,
) -> None:
    """Change how many steps a run has at work at a time.

    Example: assets runs concurrency latest 8
    """
    _steer(
        "concurrency", run, f"is asked to run {steps} step{'s' if steps > 1 else ''} at a time", reason, project, steps
    )


def _steer(
    action: str, run: str, told: str, reason: str | None, project: ProjectFolder, value: int | None = None
) -> None:
    from ..execution.steering import Action
    from ..project import find_project
    from ..runs import steer

    found = steer(find_project(project), run, Action(action), value, reason)
    say(f"run {found.shown} {told}")


def resume(
    run: Run,
    reason: Reason = None,
    fail_fast: FailFast = False,
    executor: ExecutorName = None,
    as_json: AsJson = False,
    as_events: AsEvents = False,
    project: ProjectFolder = None,
) -> None:
    """Let a paused run go on; of one that has ended, however it did, make what is left of what it was asked for.

    Example: assets runs resume latest
    """
    from ..project import find_project
    from ..runs import find_run

    if find_run(find_project(project), run).is_alive:
        _steer("resume", run, "goes on", reason, project)
    else:
        _go_on(run, project, as_json, as_events, only_failed=False, fail_fast=fail_fast, executor=executor)


def retry(
    run: Run,
    fail_fast: FailFast = False,
    executor: ExecutorName = None,
    as_json: AsJson = False,
    as_events: AsEvents = False,
    project: ProjectFolder = None,
) -> None:
    """Make only the cells that failed in a run, and those that were blocked by them, or withheld for them.

    Example: assets runs retry latest
    """
    _go_on(run, project, as_json, as_events, only_failed=True, fail_fast=fail_fast, executor=executor)


def _go_on(run: str, folder: Path | None, as_json: bool, as_events: bool, **options: Any) -> None:
    from datetime import UTC, datetime
    from functools import partial

    from ..keeping.moments import position_of
    from ..project import find_project
    from ..runs import go_on
    from .execute import watch

    found = find_project(folder)
    moment = partial(position_of, found, now=datetime.now(UTC))
    watch(partial(go_on, found, run, moment=moment, **options), as_json=as_json, as_events=as_events)
