"""Roll back: move the pointers of cells to versions that they had before. By pointer only: nothing is copied.

Called by the command. A pointer is moved only while nobody can write the journal, and only if it still is where the
index said, and no run that is at work has claimed its cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np

from catalog.errors import CatalogBusy
from catalog.journal import Fact
from catalog.records import Line, Record
from catalog.segments import read

from ..errors import SelectionError
from ..execution.actor import open_journal
from ..execution.conduct import parquet_store
from ..execution.facts import interrupted
from ..execution.lease import is_alive
from ..execution.others import OtherRuns
from ..materialize import View, look
from ..model.keys import AssetKey, Cell
from ..model.keys import cell as parse_cell
from ..planning.choose import choose, pick_cells
from ..planning.world import World, find_cell
from ..project import Project
from .moments import position_of
from .publications import Publication, Wanted, publications_of, require_intact, wanted


@dataclass(frozen=True, slots=True)
class Move:
    """The pointer of a cell goes, or went, from one version to another."""

    cell: Cell
    now: Publication
    then: Publication


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback did: `seq` is its record, None where nothing was to do, or was only asked."""

    moves: tuple[Move, ...]
    unchanged: int
    seq: int | None = None


def roll_back(
    project: Project,
    cells: str,
    to: str,
    now: datetime,
    *,
    partitions: str | None = None,
    reason: str | None = None,
    is_trial: bool = False,
) -> RolledBack:
    """Move each published cell that a cell or selection names to the version that `to` means for it; all, or none.

    Raises: UserError and InputError where one cannot go there; CatalogBusy where a run at work holds one, or a pointer
    moved meanwhile.
    """
    target = wanted(project, to, now)
    view = look(project, now)
    chosen = _chosen(project, view.world, cells, partitions, now)
    moves, unchanged = _moves(project, chosen, target)
    guard = _Guard(project, view, moves)
    if not moves or is_trial:
        guard.facts([])
        return RolledBack(moves, unchanged)
    gone_back = [[move.cell.asset, move.cell.partition, move.then.version] for move in moves]
    fact: Fact = ("rolled_back", {"cells": gone_back, "to": to, "reason": reason})
    journal = open_journal(project, view.position)
    try:
        records = journal.turn(lambda lines: [*guard.facts(lines), fact])
    finally:
        journal.close()
    for record in records[:-1]:
        parquet_store(project, record.payload["run"]).clear_staging()
    return RolledBack(moves, unchanged, records[-1].seq)


def _chosen(project: Project, world: World, text: str, partitions: str | None, now: datetime) -> list[Cell]:
    """Return the published cells that a text names."""
    cell = _cell_in(text)
    if cell is not None:
        if partitions is not None:
            raise SelectionError(f"{text} is one cell already", remedy="leave out --partitions")
        state, position = find_cell(world, cell)
        if state.asset.is_external:
            raise _external(cell.asset)
        chosen = [cell] if state.cells.present[position] else []
    else:
        moment, code_now = partial(position_of, project, now=now), project.code_parts
        flags = choose(world, text, partitions, moment=moment, code_now=code_now)
        if not flags and (external := pick_cells(world, text, moment=moment, code_now=code_now)):
            raise _external(min(external))
        chosen = [
            world.states[key].cell(world.states[key].first + position)
            for key, wanted_cells in flags.items()
            for position in np.flatnonzero(wanted_cells & world.states[key].cells.present).tolist()
        ]
    if not chosen:
        raise SelectionError(f"nothing of {text} is published", remedy="see what is: assets status")
    return chosen


def _cell_in(text: str) -> Cell | None:
    if "@" not in text:
        return None
    try:
        return parse_cell(text)
    except SelectionError:
        if ":" in text.partition("@")[0]:  # a selection: owner:team@place
            return None
        raise


def _external(asset: AssetKey) -> SelectionError:
    return SelectionError(
        f"{asset} is external: what is at its source is not ours to roll back",
        remedy="roll back an asset that reads it, or change the source",
    )


def _moves(project: Project, chosen: Sequence[Cell], target: Wanted) -> tuple[tuple[Move, ...], int]:
    """Return the moves to do, each to a file that is there, and how many cells are where they should be."""
    known = publications_of(project, {cell.asset for cell in chosen})
    moves = []
    for cell in chosen:
        had = known.get(cell, [])
        then = target.of(cell, had)
        if then.version != had[-1].version:
            moves.append(Move(cell, had[-1], then))
    for move in moves:
        require_intact(project, move.cell, move.then)
    return tuple(moves), len(chosen) - len(moves)


class _Guard:
    """Says whether some pointers may be moved, given what was written since they were looked at."""

    def __init__(self, project: Project, view: View, moves: Sequence[Move]) -> None:
        self._project = project
        self._cells = {(move.cell.asset, move.cell.partition) for move in moves}
        self._versions = {(move.cell.asset, move.then.version) for move in moves}
        self._world = view.world
        self._others = OtherRuns(view.world, own="")
        started = [seq for _, seq in view.records.open_runs.values()]
        if started and moves:
            known = read(project.state / "journal", min(started) - 1)
            self._others.recall(record for record in known if record.seq <= view.position.seq)

    def facts(self, lines: Sequence[Line]) -> list[Fact]:
        """Return what is to be written before the pointers move: the ends of dead runs that had claimed their cells.

        Raises: CatalogBusy.
        """
        for line in lines:
            if line.kind == "pruned":  # perhaps of what a pointer should go to
                raise CatalogBusy(
                    f"retention dropped old records meanwhile, by record {line.seq}; nothing was rolled back",
                    remedy="run the command again",
                )
            if line.v == 1 and line.kind in ("published", "rolled_back", "collected"):
                self._refuse(line.record())
        self._others.learn(lines)
        endings: list[Fact] = []
        for run, cell in self._holders().items():
            if is_alive(self._project.state / "runs", run, self._project.settings.lease_seconds):
                raise CatalogBusy(
                    f"run {run} is at work on {cell}; nothing was rolled back", remedy="wait for it, or interrupt it"
                )
            endings.append(interrupted(run))  # else it could wake up and publish over what is rolled back
        return endings

    def _refuse(self, record: Record) -> None:
        """Raise CatalogBusy where a record moved one of the pointers, or removed a file that one should go to."""
        if record.kind == "collected":
            removed = ((asset, version) for asset, version, _ in record.payload["versions"])
            found = [
                f"the file of {asset} at version {version[:12]} was collected"
                for asset, version in removed
                if (asset, version) in self._versions
            ]
        else:
            named = [(asset, partition) for asset, partition, *_ in record.payload["cells"]]
            found = [f"another version of {Cell(*cell)} became current" for cell in named if cell in self._cells]
        if found:
            raise CatalogBusy(
                f"{found[0]} meanwhile, by record {record.seq}; nothing was rolled back",
                remedy="look at what is there now, then run the command again",
            )

    def _holders(self) -> dict[str, Cell]:
        """Return the runs that have claimed cells to be moved, each with one of them."""
        found: dict[str, Cell] = {}
        for asset, partition in sorted(self._cells, key=lambda cell: Cell(*cell)):
            ordinal = self._world.states[asset].ordinal(partition)
            for run in () if ordinal is None else self._others.runs(asset, [ordinal]):
                found.setdefault(run, Cell(asset, partition))
        return found
