"""What `materialize` and `backfill` share: run while somebody watches, report, exit."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NoReturn, TypeVar

import typer

from ..model.run import RunResult
from .events import EventLines
from .output import report, result_json
from .progress import watcher

_Told = TypeVar("_Told")


def execute(
    kind: str,
    selection: str,
    partitions: str | None,
    *,
    force: bool,
    atomic: bool,
    as_json: bool,
    as_events: bool,
    fail_fast: bool,
    executor: str | None,
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
    run = partial(
        materialize,
        found,
        selection,
        partitions,
        force=force,
        atomic=atomic,
        kind=kind,
        moment=partial(position_of, found, now=datetime.now(UTC)),
        agreed=agreed,
        fail_fast=fail_fast,
        executor=executor,
    )
    watch(run, as_json=as_json, as_events=as_events)


def watch(run: Callable[..., RunResult], *, as_json: bool, as_events: bool) -> NoReturn:
    """Call what runs with `on_progress` and `on_records`, show how far it is, and exit with the code for what came of
    it."""
    if as_json and as_events:
        from ..errors import UserError

        raise UserError(
            "--json and --json-events both print on stdout",
            remedy="choose one; the last line of --json-events is what --json prints",
        )
    events = EventLines(sys.stdout) if as_events else None
    with (
        closing(watcher(terminal_is_taken=as_events and sys.stdout.isatty())) as watching,
        redirect_stdout(watching.stream),  # stdout is for facts, not for what a function prints
        redirect_stderr(watching.stream),
    ):
        result = run(
            on_progress=watching if events is None else _both(events.progress, watching),
            on_records=watching.records if events is None else _both(events.records, watching.records),
        )
    if events is not None:
        events.result(result_json(result))
    raise typer.Exit(report(result, as_json=as_json))


def _both(first: Callable[[_Told], None], second: Callable[[_Told], None]) -> Callable[[_Told], None]:
    def tell(told: _Told) -> None:
        first(told)
        second(told)

    return tell
