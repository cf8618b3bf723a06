"""One example: a random project in a folder, its oracle beside it, and what must hold after every plan and run.

Used by the property tests. It calls the product in process, with a new `Project` after each edit.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from evidence_by_law import require_evidence
from histories import History, Step
from hypothesis import event
from naive_oracle import JUDGED_ONLY, PROVISIONAL, Cell, Oracle, Outcome
from naive_partitions import Scheme, Slot, midnight, slots
from project_folder import Version, damage, folder_of_an_example, install, published
from project_text import written
from random_project import Frame, Project
from require import kinds_of, plain_cause, require_equal

from assets_core.errors import SelectionError
from assets_core.execution.conduct import conduct, declare
from assets_core.execution.run import Listeners
from assets_core.keeping.rollback import roll_back
from assets_core.materialize import look, materialize
from assets_core.model.run import RunRequest, RunResult
from assets_core.partition_sets import add_partitions, partition_sets, remove_partitions
from assets_core.planning.choose import choose, states_of
from assets_core.planning.evidence import Evidence
from assets_core.planning.plan import Plan, make_plan
from assets_core.planning.staleness import Cause
from assets_core.project import find_project
from catalog.segments import read
from catalog.session import Catalog


def check_full_runs(history: History) -> None:
    """Make everything after each step; require the law, equality with a run from scratch, then rest."""
    with folder_of_an_example() as folder:
        scenario = Scenario(folder / "project")
        for step in history:
            outcome = scenario.run(step)
        if not outcome.failed and not outcome.blocked:
            scenario.nothing_is_left_to_do()
        scenario.data_is_as_from_scratch(folder / "scratch")


def check_partial_runs(history: History) -> None:
    """Make what each step asks for; require the law."""
    with folder_of_an_example() as folder:
        scenario = Scenario(folder / "project")
        for step in history:
            scenario.run(step)


class Scenario:
    """A project in `folder`; `oracle` follows what the product does by itself and is compared with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.oracle = Oracle(Project({}, {}, {}))
        self._texts: dict[str, str | None] = {}
        self._sets: dict[str, tuple[str, ...]] = {}
        self._now = datetime.now(UTC)
        self._made: dict[Cell, str] = {}
        self._digests: dict[tuple[str, Frame], str] = {}

    def _write(self, step: Step) -> None:
        texts = written(step.project)
        for path in self._texts.keys() | texts.keys():
            text, file = texts.get(path), self.folder / path
            if text is None:
                file.unlink(missing_ok=True)
            elif text != self._texts.get(path) or (step.touched and path.startswith("data/")):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        self._texts = texts
        install(step.project.library, self.folder.parent / "installed")
        self._change_sets(step.project)

    def _change_sets(self, project: Project) -> None:
        """Add and remove keys of dynamic partitions, if an asset has such."""
        found = find_project(self.folder)
        for each in partition_sets(found):
            had, wanted = self._sets.get(each.name, ()), project.sets[each.name]
            if each.assets:
                kept = [key for key in had if key in wanted]
                gone = [key for key in had if key not in wanted[: len(kept)] or list(wanted[: len(kept)]) != kept]
                remove_partitions(found, each.name, gone)
                add_partitions(found, each.name, [key for key in wanted if key not in had or key in gone])
                self._sets[each.name] = wanted

    def _happen(self, step: Step) -> None:
        """Move a cell back to an earlier version, and do some harm to a published file, where there is one."""
        oracle = self.oracle
        current = [cell for cell in oracle.cells() if cell in oracle.made]
        if step.rollback is not None:
            moves = oracle.moves(current)
            if moves:
                event("rolled back")
                back, frame = moves[step.rollback % len(moves)]
                done = roll_back(find_project(self.folder), _text(back), self._digests[back[0], frame], self._now)
                assert len(done.moves) == 1
                oracle.roll_back(back, frame)
        if step.damage is not None and (cell := oracle.harmed(step.damage[0], step.keys)) is not None:
            kind = step.damage[1]
            frame = oracle.made[cell].frame
            if (cell[0], frame) not in oracle.damaged:
                event(f"damaged: {kind}")
                damage(self.folder / ".assets" / "data" / cell[0] / f"{self._digests[cell[0], frame]}.parquet", kind)
                oracle.damaged[cell[0], frame] = kind

    def run(self, step: Step) -> Outcome:
        """Write the state of the project, plan and materialize; require that all is as the oracle says."""
        self.oracle.project = step.project
        self.oracle.later, self.oracle.renewed = step.later, set()
        self._write(step)
        self._happen(step)
        self._now = datetime.now(UTC) + timedelta(hours=step.later, minutes=30)
        ranges = None if step.days is None else f"{step.days[0]}..{step.days[1]}"
        asked = step.selection, ranges
        selected = self._selected(set(step.project.assets) if step.keys is None else set(step.keys), step.days)
        if selected is None:
            with pytest.raises(SelectionError):
                materialize(find_project(self.folder), *asked, force=step.force)
            return Outcome()
        self._compare_states()
        planned = self._compare_plan(asked, selected, step.force)
        expected = self.oracle.run(selected, step.force)
        before = self._last_seq()
        result = self._materialize(asked, force=step.force)
        found = self._happened(before)
        for cell in found.made:
            if cell in self.oracle.made:
                self._digests[cell[0], self.oracle.made[cell].frame] = self._made[cell]
        require_equal(found.by_cell(), expected.by_cell())
        done = (result.made, result.failed, result.blocked)
        assert done == (len(found.made) + len(found.judged), len(found.failed), len(found.blocked))
        assert result.fresh == len(selected) - sum(done)
        self._compare_listed(planned, found)
        return found

    def _materialize(self, asked: tuple[str, str | None], *, force: bool) -> RunResult:
        """Do what `materialize` does, at the time of this step."""
        project = find_project(self.folder)
        view = look(project, self._now)
        planned = make_plan(view.world, choose(view.world, *asked), force=force)
        if not planned.stale:
            if view.records.redefines(view.world.graph):
                declare(project, view.world.graph, view.records, view.position)
            return RunResult(None, fresh=planned.fresh)
        request = RunRequest("materialize", *asked)
        known = view.observations, view.records, view.position
        return conduct(project, planned, *known, request, Listeners(lambda _: None, lambda _: None))

    # Comparing

    def _compare_states(self) -> None:
        """The worst bug: a cell that is fresh for the product and stale by the law."""
        states = states_of(look(find_project(self.folder), self._now).world)
        every = set(self.oracle.cells())
        stale = self.oracle.plan(every, force=False)
        fresh = {
            (str(key), slot.key)
            for key, found in states.items()
            for slot, is_fresh in zip(slots(self.oracle.project.assets[key].scheme), found.fresh.tolist(), strict=True)
            if is_fresh
        }
        assert not fresh & stale.keys(), "fresh for the product, stale by the law"
        assert fresh == every - stale.keys()

    def _compare_plan(self, asked: tuple[str, str | None], selected: set[Cell], force: bool) -> Plan:
        project = find_project(self.folder)
        world = look(project, self._now).world
        planned = make_plan(world, choose(world, *asked), force=force)
        evidence = Evidence(planned, project.code_parts)
        by_law = self.oracle.plan(selected, force)
        wanted = {cell: each for cell, each in by_law.items() if cell in selected}
        found: dict[Cell, tuple[frozenset[str], bool]] = {}
        plain: dict[Cell, object] = {}
        for steps, index, cell in planned.cells():
            key = str(cell.asset), cell.partition
            found[key] = kinds_of(int(evidence.of(steps).refined[index])), bool(steps.blocked[index])
            plain[key] = kinds_of(int(steps.causes[index]))
        by_cell = {cell: (each.causes, each.blocked) for cell, each in wanted.items()}
        require_equal(found, by_cell)
        require_equal(plain, {cell: frozenset(map(plain_cause, each.causes)) - {""} for cell, each in wanted.items()})
        will_run = {cell for cell, each in wanted.items() if each.causes - JUDGED_ONLY and not each.blocked}
        require_evidence(planned, evidence, self.oracle, will_run)
        return planned

    def _compare_listed(self, planned: Plan, found: Outcome) -> None:
        """What ran was in the plan; what the plan was certain of did run, unless something before it failed."""
        listed = {(str(cell.asset), cell.partition): int(steps.causes[index]) for steps, index, cell in planned.cells()}
        ran = found.made | found.judged | found.failed
        assert ran <= listed.keys()
        # a run can bring an input back to what it was, so that its reader turns out fresh
        waits = {cell for cell, causes in listed.items() if causes & Cause.UPSTREAM_WILL_RUN}
        certain = {cell for cell, causes in listed.items() if kinds_of(causes) - PROVISIONAL} | (listed.keys() - waits)
        assert certain <= ran | found.blocked
        assert found.skipped == listed.keys() - ran - found.blocked

    def data_is_as_from_scratch(self, other: Path) -> None:
        """Make everything anew in another folder; require equal data and recipes for every fresh cell of both."""
        shutil.copytree(self.folder, other, ignore=shutil.ignore_patterns(".assets", "__pycache__"))
        for name, keys in self._sets.items():
            if any(name == each.name and each.assets for each in partition_sets(find_project(other))):
                add_partitions(find_project(other), name, keys)
        materialize(find_project(other))
        scratch = Oracle(self.oracle.project)
        scratch.run(set(scratch.cells()), force=False)
        self.oracle.later = 0
        stale = self.oracle.plan(set(self.oracle.cells()), force=False).keys()
        mine, its = published(self.folder), published(other)
        last = {
            cell: self.oracle.made[cell].frame
            for cell in self.oracle.cells()
            if cell in self.oracle.made and not self.oracle.is_drifted(cell)
        }
        require_equal({cell: version[0] for cell, version in mine.items()}, last)
        require_equal({cell: version[0] for cell, version in its.items()}, _contents(scratch))
        settled = self._settled(stale)
        require_equal(_those(mine, settled), _those(its, settled))
        assert settled <= its.keys(), "fresh, though it cannot be made"

    def _settled(self, stale: Collection[Cell]) -> set[Cell]:
        """Return the cells that are fresh with everything before them: what a run from scratch makes, too."""
        settled: set[Cell] = set()
        for asset in self.oracle.project.made():
            for cell in self.oracle.cells([asset]):
                awaited = self.oracle.waits_for(asset, cell)
                unsettled = {each for each in awaited if not self.oracle.project.assets[each[0]].is_external} - settled
                if cell not in stale and not unsettled:
                    settled.add(cell)
        return settled

    def nothing_is_left_to_do(self) -> None:
        """Require that another run does nothing, not even write, and that the index is what the journal says."""
        journal = self._journal_bytes()
        result = materialize(find_project(self.folder))
        assert result.run is None
        assert result.fresh == len(self.oracle.cells())
        assert self._journal_bytes() == journal
        assert Catalog(self.folder / ".assets").verify() == []

    # What is asked for, what happened

    def _selected(self, keys: set[str], days: tuple[date, date] | None) -> set[Cell] | None:
        """Return the made cells of some assets in a range of days; None where the range is outside of all of them."""
        assets = [asset for asset in self.oracle.project.made() if asset.key in keys]
        if days is None:
            return set(self.oracle.cells(assets))
        inside = {
            (asset.key, slot.key)
            for asset in assets
            if asset.scheme is not None
            for slot in slots(asset.scheme)
            if _is_in(asset.scheme, slot, days)
        }
        return inside | {(asset.key, None) for asset in assets if asset.scheme is None} if inside else None

    def _last_seq(self) -> int:
        return max((record.seq for record in read(self.folder / ".assets" / "journal")), default=0)

    def _journal_bytes(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted((self.folder / ".assets" / "journal").glob("*.jsonl")))

    def _happened(self, after: int) -> Outcome:
        """Return what the journal says of the cells since a record."""
        cells: dict[str, list[Cell]] = defaultdict(list)
        for record in read(self.folder / ".assets" / "journal", after):
            payload: dict[str, Any] = record.payload
            if record.kind == "materialized":
                self._made[payload["asset"], payload["partition"]] = payload["version"]
            if record.kind in ("materialized", "failed"):
                cells[record.kind].append((payload["asset"], payload["partition"]))
            elif record.kind == "claimed":
                cells["claimed"] += [(asset, partition) for _, asset, taken in payload["steps"] for partition in taken]
            elif record.kind == "skipped":
                cells["skipped"] += self._in_ranges(payload)
            elif record.kind == "blocked":
                cells["blocked"] += [(payload["asset"], partition) for partition in payload["cells"]]
            elif record.kind == "published":
                cells["published"] += [(asset, partition) for asset, partition, *_ in payload["cells"]]
        for kind, found in cells.items():
            assert len(found) == len(set(found)), f"a cell is {kind} twice in one run"
        made, published = set(cells["materialized"]), set(cells["published"])
        failed = set(cells["failed"])
        assert made <= published
        assert set(cells["claimed"]) == published | failed
        return Outcome(made, published - made, set(cells["skipped"]), failed, set(cells["blocked"]))

    def _in_ranges(self, skipped: dict[str, Any]) -> list[Cell]:
        """Return the cells that a `skipped` record tells of."""
        asset = skipped["asset"]
        state = look(find_project(self.folder)).world.states[asset]
        ordinals = [o for first, last, *_ in skipped["ranges"] for o in range(first, last + 1)]
        assert len(ordinals) == skipped["number"]
        return [(asset, state.key(ordinal)) for ordinal in ordinals]


def _contents(oracle: Oracle) -> Mapping[Cell, Frame]:
    return {cell: made.frame for cell, made in oracle.made.items()}


def _those(published: Mapping[Cell, Version], cells: Collection[Cell]) -> Mapping[Cell, Version]:
    return {cell: version for cell, version in published.items() if cell in cells}


def _is_in(scheme: Scheme, slot: Slot, days: tuple[date, date]) -> bool:
    """Tell whether the time of a partition, or of its first dimension, overlaps some days of its zone."""
    if scheme.kind == "product":
        name, first = scheme.dimensions[0]
        return _is_in(first, slot.parts[name], days)
    if slot.start is None or slot.end is None:
        return False
    zone = ZoneInfo(scheme.tz)
    return slot.start < midnight(days[1] + timedelta(days=1), zone) and slot.end > midnight(days[0], zone)


def _text(cell: Cell) -> str:
    return cell[0] if cell[1] is None else f"{cell[0]}@{cell[1]}"
