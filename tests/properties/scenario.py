"""One example: a random project in a folder, its oracle beside it, and what must hold after every plan and run.

Used by the property tests. It calls the product in process, with a new `Project` after each edit.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest
from evidence_by_law import require_evidence
from naive_oracle import CERTAIN, Cell, Oracle, Outcome
from naive_partitions import Scheme, Slot, midnight, slots
from random_edits import History, Step
from random_project import Project, Rows, written

from assets_core.errors import SelectionError
from assets_core.materialize import look, materialize, plan
from assets_core.planning.choose import states_of
from assets_core.planning.plan import Plan
from assets_core.planning.staleness import Cause
from assets_core.project import find_project
from catalog.segments import read
from catalog.session import Catalog

Version = tuple[Rows, tuple[int, int]]
"""What is published of a cell: its content and the recipe recorded with it."""


def check_full_runs(history: History) -> None:
    """Make everything after each step; require the law, equality with a run from scratch, then rest."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(Path(folder) / "project")
        for step in history:
            outcome = scenario.run(step)
        if not outcome.failed and not outcome.blocked:
            scenario.nothing_is_left_to_do()
        scenario.data_is_as_from_scratch(Path(folder) / "scratch")


def check_partial_runs(history: History) -> None:
    """Make what each step asks for; require the law."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(Path(folder) / "project")
        for step in history:
            scenario.run(step)


class Scenario:
    """A project in `folder`; `oracle` follows what the product does by itself and is compared with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.oracle = Oracle(Project({}, {}, {}))
        self._texts: dict[str, str | None] = {}

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

    def run(self, step: Step) -> Outcome:
        """Write the state of the project, plan and materialize; require that all is as the oracle says."""
        self.oracle.project = step.project
        self._write(step)
        ranges = None if step.days is None else f"{step.days[0]}..{step.days[1]}"
        asked = step.selection, ranges
        selected = self._selected(set(step.project.assets) if step.keys is None else set(step.keys), step.days)
        if selected is None:
            with pytest.raises(SelectionError):
                materialize(find_project(self.folder), *asked, force=step.force)
            return Outcome()
        self._compare_states()
        planned = plan(find_project(self.folder), *asked, force=step.force)
        self._compare_plan(planned, selected, step.force)
        before = self._last_seq()
        result = materialize(find_project(self.folder), *asked, force=step.force)
        found = self._happened(before)
        require_equal(found.by_cell(), self.oracle.run(selected, step.force).by_cell())
        done = (result.made, result.failed, result.blocked)
        assert done == (len(found.made) + len(found.judged), len(found.failed), len(found.blocked))
        assert result.fresh == len(selected) - sum(done)
        self._compare_listed(planned, found)
        return found

    # Comparing

    def _compare_states(self) -> None:
        """The worst bug: a cell that is fresh for the product and stale by the law."""
        states = states_of(look(find_project(self.folder)).world)
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

    def _compare_plan(self, planned: Plan, selected: set[Cell], force: bool) -> None:
        found: dict[Cell, object] = {
            (str(cell.asset), cell.partition): (_kinds(int(steps.causes[index])), bool(steps.blocked[index]))
            for steps, index, cell in planned.cells()
        }
        by_law = self.oracle.plan(selected, force)
        will_run = {
            cell
            for cell, each in by_law.items()
            if cell in selected and each.causes != {"contract_changed"} and not each.blocked
        }
        require_equal(found, {cell: (each.causes, each.blocked) for cell, each in by_law.items() if cell in selected})
        require_evidence(planned, self.folder / ".assets", self.oracle, will_run)

    def _compare_listed(self, planned: Plan, found: Outcome) -> None:
        """What ran was in the plan; what the plan was certain of did run, unless something before it failed."""
        listed = {(str(cell.asset), cell.partition): int(steps.causes[index]) for steps, index, cell in planned.cells()}
        ran = found.made | found.judged | found.failed
        assert ran <= listed.keys()
        certain = {cell for cell, causes in listed.items() if _kinds(causes) & CERTAIN}
        assert certain <= ran | found.blocked
        assert found.skipped == listed.keys() - ran - found.blocked

    def data_is_as_from_scratch(self, other: Path) -> None:
        """Make everything anew in another folder; require equal data and recipes for every fresh cell of both."""
        shutil.copytree(self.folder, other, ignore=shutil.ignore_patterns(".assets", "__pycache__"))
        materialize(find_project(other))
        scratch = Oracle(self.oracle.project)
        scratch.run(set(scratch.cells()), force=False)
        stale = self.oracle.plan(set(self.oracle.cells()), force=False).keys()
        mine, its = published(self.folder), published(other)
        last = {cell: self.oracle.made[cell].content for cell in self.oracle.cells() if cell in self.oracle.made}
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
            if record.kind in ("materialized", "failed"):
                cells[record.kind].append((payload["asset"], payload["partition"]))
            elif record.kind == "claimed":
                cells["claimed"] += [(asset, partition) for _, asset, taken in payload["steps"] for partition in taken]
            elif record.kind in ("skipped", "blocked"):
                cells[record.kind] += [(payload["asset"], partition) for partition in payload["cells"]]
            elif record.kind == "published":
                cells["published"] += [(asset, partition) for asset, partition, *_ in payload["cells"]]
        for kind, found in cells.items():
            assert len(found) == len(set(found)), f"a cell is {kind} twice in one run"
        made, published = set(cells["materialized"]), set(cells["published"])
        failed = set(cells["failed"])
        assert made <= published
        assert set(cells["claimed"]) == published | failed
        return Outcome(made, published - made, set(cells["skipped"]), failed, set(cells["blocked"]))


def require_equal(found: Mapping[Cell, object], expected: Mapping[Cell, object]) -> None:
    """Fail with the cells that differ."""
    different = [
        f"{cell}: {found.get(cell, 'nothing')}, not {expected.get(cell, 'nothing')}"
        for cell in found.keys() | expected.keys()
        if cell not in found or cell not in expected or found[cell] != expected[cell]
    ]
    assert not different, "\n".join(sorted(different))


def _contents(oracle: Oracle) -> Mapping[Cell, Rows]:
    return {cell: made.content for cell, made in oracle.made.items()}


def _those(published: Mapping[Cell, Version], cells: Collection[Cell]) -> Mapping[Cell, Version]:
    return {cell: version for cell, version in published.items() if cell in cells}


def _kinds(causes: int) -> frozenset[str]:
    return frozenset(cause.kind for cause in Cause if causes & cause)


def _is_in(scheme: Scheme, slot: Slot, days: tuple[date, date]) -> bool:
    """Tell whether the time of a partition, or of its first dimension, overlaps some days of its zone."""
    if scheme.kind == "product":
        name, first = scheme.dimensions[0]
        return _is_in(first, slot.parts[name], days)
    if slot.start is None or slot.end is None:
        return False
    zone = ZoneInfo(scheme.tz)
    return slot.start < midnight(days[1] + timedelta(days=1), zone) and slot.end > midnight(days[0], zone)


def published(folder: Path) -> Mapping[Cell, Version]:
    """Return content and recorded recipe of every cell of the definitions, found by the catalog's pointers."""
    project = find_project(folder)
    found: dict[Cell, Version] = {}
    for key, state in look(project).world.states.items():
        if state.asset.is_external:
            continue
        for position in state.present.nonzero()[0].tolist():
            table = pq.read_table(project.state / "data" / state.file[position])
            rows = tuple(zip(*(table[name].to_pylist() for name in ("n", "m")), strict=True))
            recipe = int(state.recipe.a[position]), int(state.recipe.b[position])
            found[str(key), state.key(state.first + position)] = rows, recipe
    return found
