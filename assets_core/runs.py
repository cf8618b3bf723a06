"""The runs of a project: find one by its name, steer one that goes on, go on with one that has ended.

Used by the commands. What a run does is said in `execution/`; here is only what is asked of it afterwards, or from
outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from catalog.queries import load as query
from catalog.records import Line

from .errors import UserError, did_you_mean
from .execution.actor import open_journal
from .execution.lease import is_alive
from .execution.steering import KIND, Action
from .materialize import materialize
from .model.keys import AssetKey
from .model.run import Progress, RunResult
from .planning.choose import Moment
from .planning.intervals import Flags
from .planning.spelling import ordinals_of
from .planning.world import World
from .project import Project

if TYPE_CHECKING:
    from catalog.records import Record

LATEST = "latest"
_SHOWN = 8  # letters of a run's name that tell it from others


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run as it is recorded. `is_open`: no end of it is; `is_alive`: its process is at work."""

    run: str
    kind: str
    selection: str
    partitions: str | None
    force: bool
    atomic: bool
    state: str
    is_open: bool
    is_alive: bool

    @property
    def shown(self) -> str:
        return self.run[:_SHOWN]


def find_run(project: Project, name: str) -> KnownRun:
    """Return the run that a name, the first letters of one, or `latest` means.

    Raises: UserError where there is none, or more than one.
    """
    with project.catalog.read() as connection:
        rows = connection.sql(query("run_named"), params={"name": "" if name == LATEST else name}).fetchall()
        if not rows:
            names = [row[0][:_SHOWN] for row in connection.sql(query("run_named"), params={"name": ""}).fetchall()]
    if not rows:
        raise UserError(f"there is no run {name!r}{did_you_mean(name, names)}", remedy="`assets runs` lists them")
    if len(rows) > 1 and name != LATEST and rows[0][0] != name:
        raise UserError(f"{len(rows)} runs begin with {name!r}", remedy="write more letters of the name")
    run, kind, selection, partitions, force, atomic, state, is_open = rows[0]
    alive = is_open and is_alive(project.state / "runs", run, project.settings.lease_seconds)
    return KnownRun(run, kind, selection, partitions, force, atomic, state, is_open, alive)


def steer(project: Project, name: str, action: Action, value: int | None = None, reason: str | None = None) -> KnownRun:
    """Record what is asked of a run that goes on; its process hears of it within half a second.

    Raises: UserError where it does not go on any more.
    """
    found = find_run(project, name)
    if not found.is_alive:
        state = found.state if not found.is_open else "not at work any more: its process is gone, or paused"
        raise UserError(f"run {found.shown} is {state}", remedy=f"go on with it: assets runs resume {found.shown}")

    def decide(lines: Sequence[Line]) -> list[tuple[str, dict[str, object]]]:
        if any(line.kind == "run_ended" and line.record().payload["run"] == found.run for line in lines):
            raise UserError(f"run {found.shown} has just ended", remedy="`assets runs` shows how")
        return [(KIND, {"run": found.run, "action": action, "value": value, "reason": reason})]

    journal = open_journal(project)
    try:
        journal.turn(decide)
    finally:
        journal.close()
    project.catalog.refresh()
    return found


def go_on(
    project: Project,
    name: str,
    *,
    only_failed: bool,
    fail_fast: bool = False,
    executor: str | None = None,
    moment: Moment | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_records: Callable[[Sequence[Record]], None] | None = None,
) -> RunResult:
    """Run again what is left of a run that has ended: what was asked for then, and is stale; or, where `only_failed`,
    just the cells that failed in it, those that were blocked by them, and those that were withheld for them.

    Where fresh cells were to be made, too, those are left out that it has made, or a run that went on with it.
    `moment` tells what `changed-since:` in its selection means; `fail_fast` and `executor` are those of `materialize`.

    Raises: UserError where the run goes on; what `materialize` raises.
    """
    found = find_run(project, name)
    if found.is_alive:
        raise UserError(f"run {found.shown} goes on", remedy=f"wait for it, or: assets runs cancel {found.shown}")
    params = {"run": found.run}
    with project.catalog.read() as connection:
        failed = connection.sql(query("cells_failed_in_run"), params=params).fetchall() if only_failed else []
        made = connection.sql(query("cells_made_in_run"), params=params).fetchall() if found.force else []

    def within(world: World, chosen: dict[AssetKey, Flags]) -> dict[AssetKey, Flags]:
        asked = _flags(world, failed) if only_failed else chosen  # a selection by state chooses others by now
        done = _flags(world, made)
        return {key: flags & ~done[key] if key in done else flags for key, flags in asked.items()}

    return materialize(
        project,
        found.selection,
        found.partitions,
        force=found.force,
        atomic=found.atomic,
        kind=found.kind,
        moment=moment,
        fail_fast=fail_fast,
        executor=executor,
        continues=found.run,
        within=within,
        on_progress=on_progress,
        on_records=on_records,
    )


def _flags(world: World, cells: Iterable[tuple[str, str | None]]) -> dict[AssetKey, Flags]:
    """Return which cells of the world are named; those that it does not have any more are left out."""
    by_asset: dict[AssetKey, list[str | None]] = {}
    for asset, partition in cells:
        by_asset.setdefault(AssetKey(asset), []).append(partition)
    named: dict[AssetKey, Flags] = {}
    for key, partitions in by_asset.items():
        if (state := world.states.get(key)) is None:
            continue
        named[key] = np.zeros(len(state), np.bool_)
        definition = state.asset.partitions
        if definition is None:
            named[key][:] = None in partitions
        else:
            places = ordinals_of(definition, [text for text in partitions if text is not None]) - state.first
            named[key][places[(places >= 0) & (places < len(state))]] = True
    return named
