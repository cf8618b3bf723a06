"""Which cells are stale and why, what a run does, and what each cell then holds: the law, in dictionaries.

A cell remembers the code, the checks and the exact inputs that it was made from; it is fresh if they are those of now.
Nothing here uses the product, arrays or digests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace

from naive_code import Code, Counted, bonus, checks, code, counted, library, meaning, passes, place, setting, total
from naive_partitions import cells_read, newest, slots
from random_project import COLUMNS, Asset, Frame, Input, Project, csv_text, derived

Cell = tuple[str, str | None]
Version = object

PROVISIONAL = frozenset(["upstream_will_run", "input_changed"])
JUDGED_ONLY = frozenset(["contract_changed", "rolled_back"])


@dataclass(frozen=True)
class Read:
    """What a cell had read of one input: as which of its columns counted."""

    upstream: str
    mapping: object
    counted: Counted
    versions: Mapping[str | None, Version]


@dataclass(frozen=True)
class Made:
    """What is remembered of the current version of a cell. `rolled_back`: it is current by a rollback."""

    code: Code
    setting: int | None
    library: str | None
    checks: Code
    reads: Mapping[str, Read]
    frame: Frame
    rolled_back: bool = False


@dataclass(frozen=True)
class Planned:
    """Why a cell is stale, and whether something that it reads is neither there nor going to be made."""

    causes: frozenset[str]
    blocked: bool


@dataclass
class Outcome:
    """What a run does with each cell that its plan lists."""

    made: set[Cell] = field(default_factory=set)
    judged: set[Cell] = field(default_factory=set)
    skipped: set[Cell] = field(default_factory=set)
    failed: set[Cell] = field(default_factory=set)
    blocked: set[Cell] = field(default_factory=set)

    def by_cell(self) -> dict[Cell, set[str]]:
        """Return what was done with each cell: one thing, if all is well."""
        found: dict[Cell, set[str]] = {}
        for name in ("made", "judged", "skipped", "failed", "blocked"):
            for cell in getattr(self, name):
                found.setdefault(cell, set()).add(name)
        return found


class Oracle:
    """What was made so far, and the project as it is now.

    `had`: every version of a cell that was current, the newest last. `damaged`: contents of assets whose file is not
    what was published, and how. `later`: how many hours after everything was made it is.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.made: dict[Cell, Made] = {}
        self.had: dict[Cell, list[Made]] = {}
        self.damaged: dict[tuple[str, Frame], str] = {}
        self.later = 0
        self.renewed: set[Cell] = set()

    def cells(self, assets: Iterable[Asset] | None = None) -> list[Cell]:
        """Return every cell of the made assets, or of some."""
        chosen = self.project.made() if assets is None else assets
        return [(asset.key, slot.key) for asset in chosen for slot in slots(asset.scheme)]

    # The law

    def own_causes(self, cell: Cell) -> set[str]:
        """Return why a cell is stale by what is there now."""
        asset, made = self.project.assets[cell[0]], self.made.get(cell)
        if made is None:
            return {"missing"}
        changed = {
            "code_changed": made.code != code(asset, self.project),
            "parameter_changed": made.setting != setting(asset, self.project),
            "library_changed": made.library != library(asset, self.project),
            "contract_changed": made.checks != checks(asset),
            "output_drifted": self.is_drifted(cell),
            "expired": self.expired(cell),
        }
        causes = {cause for cause, is_so in changed.items() if is_so} | self.input_causes(cell)
        return causes | {"rolled_back"} if causes and made.rolled_back else causes

    def expired(self, cell: Cell) -> bool:
        """Tell whether a version is older than it may be; of this run it is not."""
        hours = self.project.assets[cell[0]].expires
        return hours is not None and self.later > hours and cell not in self.renewed

    def is_drifted(self, cell: Cell) -> bool:
        return (cell[0], self.made[cell].frame) in self.damaged

    def input_causes(self, cell: Cell) -> set[str]:
        """Return in which ways what a cell reads is not what it had read."""
        then, now = self.made[cell].reads, self.reads_now(cell)
        return {self.kind(then.get(name), now.get(name)) for name in self.changed_inputs(cell)}

    def changed_inputs(self, cell: Cell) -> set[str]:
        """Return the inputs that are new or gone, or hand over something else than they did."""
        then, now = (
            {name: (one.upstream, one.versions) for name, one in reads.items()}
            for reads in (self.made[cell].reads, self.reads_now(cell))
        )
        return {name for name in then.keys() | now.keys() if then.get(name) != now.get(name)}

    def kind(self, then: Read | None, now: Read | None) -> str:
        """Return which kind of change one of an input is."""
        if then is None or now is None or (then.upstream, then.mapping) != (now.upstream, now.mapping):
            return "inputs_rewired"
        return "source_changed" if self.project.assets[now.upstream].is_external else "input_changed"

    def reads_now(self, cell: Cell, *, afresh: bool = False) -> dict[str, Read]:
        """Return what a cell reads now, of each input the columns that counted when it was made, or `afresh`."""
        asset, made = self.project.assets[cell[0]], self.made.get(cell)
        found: dict[str, Read] = {}
        for given in asset.inputs:
            upstream = self.project.assets[given.upstream]
            if afresh or made is None:
                kind = counted(asset, given, upstream)
            else:
                kind = made.reads[given.name].counted if given.name in made.reads else None
            versions = {key: self.version((given.upstream, key), kind) for key in self.reads(asset, given, cell)}
            found[given.name] = Read(
                given.upstream, meaning(given.reading, asset.scheme, upstream.scheme), kind, versions
            )
        return found

    def reads(self, asset: Asset, given: Input, cell: Cell) -> frozenset[str | None]:
        """Return the keys that a cell reads now: of `newest` the last one that is there."""
        waits, upstream = self.waits(asset, given, cell), self.project.assets[given.upstream]
        if not given.reading.is_newest:
            return waits
        return frozenset(newest(set(waits), upstream.scheme, lambda key: self.is_there((upstream.key, key))))

    def waits(self, asset: Asset, given: Input, cell: Cell) -> frozenset[str | None]:
        """Return the keys that decide what a cell reads: of `newest` the last that is there, and those behind it."""
        upstream = self.project.assets[given.upstream]
        named = cells_read(given.reading, asset.scheme, upstream.scheme)[cell[1]]
        if not given.reading.is_newest:
            return named
        listed = [slot.key for slot in slots(upstream.scheme) if slot.key in named]
        there = [place for place, key in enumerate(listed) if self.is_there((upstream.key, key))]
        return frozenset(listed[max(there, default=0) :])

    def version(self, cell: Cell, kind: Counted) -> Version:
        """Return the version of a cell as a reader sees it for whom some columns count."""
        asset = self.project.assets[cell[0]]
        if asset.is_external:
            rows = self.project.files[cell]
            return None if rows is None else (code(asset, self.project), csv_text(rows))
        made = self.made.get(cell)
        if made is None or kind is None:
            return None if made is None else made.frame
        names, with_schema = kind
        there = [name for name in names if name in made.frame.columns]
        values = [(name, tuple(row[made.frame.columns.index(name)] for row in made.frame.rows)) for name in there]
        return (names, tuple(values), made.frame.columns if with_schema else None)

    def is_there(self, cell: Cell) -> bool:
        is_external = self.project.assets[cell[0]].is_external
        return self.project.files[cell] is not None if is_external else cell in self.made

    def is_readable(self, cell: Cell) -> bool:
        """Tell whether a cell is there as it was published: what was changed from outside is not read."""
        return self.is_there(cell) and (cell not in self.made or not self.is_drifted(cell))

    def is_blocked(self, given: Input, waits: Set[Cell], will_run: Set[Cell]) -> bool:
        """Tell whether something that an input needs is neither there nor going to be made."""
        is_optional = given.optional or given.by_partition
        coming = {cell for cell in waits if cell in will_run or self.is_readable(cell)}
        if not given.reading.is_newest:
            return coming != waits or not (waits or is_optional)
        return not coming and not (is_optional and not any(map(self.is_there, waits)))

    def plan(self, selected: set[Cell], force: bool) -> dict[Cell, Planned]:
        """Return every stale cell, selected or not; only the selected can make their readers provisional."""
        found: dict[Cell, Planned] = {}
        will_run: set[Cell] = set()
        for asset in self.project.made():
            for cell in self.cells([asset]):
                causes = self.own_causes(cell) | ({"forced"} if force and cell in selected else set())
                upstreams = {g: {(g.upstream, key) for key in self.waits(asset, g, cell)} for g in asset.inputs}
                if cell in selected and any(each & will_run for each in upstreams.values()):
                    causes.add("upstream_will_run")
                if causes and cell in self.made and self.made[cell].rolled_back:
                    causes.add("rolled_back")
                blocked = any(self.is_blocked(given, each, will_run) for given, each in upstreams.items())
                if causes:
                    found[cell] = Planned(frozenset(causes), blocked)
                if causes - JUDGED_ONLY and cell in selected and not blocked:
                    will_run.add(cell)
        return found

    # What a run does

    def run(self, selected: set[Cell], force: bool) -> Outcome:
        """Do what a run does: in order, each cell when its upstreams are settled, early cutoff included."""
        planned, outcome = self.plan(selected, force), Outcome()
        waits = {cell: self.waits_for(self.project.assets[cell[0]], cell) for cell in planned}
        drifted = {cell for cell in self.made if self.is_drifted(cell)}
        stopped: set[Cell] = set()
        for cell in planned:
            if cell not in selected:
                continue
            asset = self.project.assets[cell[0]]
            if planned[cell].blocked:
                outcome.blocked.add(cell)
            elif stopped & waits[cell]:
                outcome.blocked.add(cell)
                stopped.add(cell)
            else:
                self.settle(asset, cell, force or cell in drifted, outcome)
                if cell in outcome.failed:
                    stopped.add(cell)
        return outcome

    def waits_for(self, asset: Asset, cell: Cell) -> set[Cell]:
        """Return the cells that a cell reads, and those of the assets that it comes after."""
        awaited = {(given.upstream, key) for given in asset.inputs for key in self.waits(asset, given, cell)}
        for key in asset.after:
            given = Input("after", key)
            awaited |= {(key, partition) for partition in self.reads(asset, given, cell)}
        return awaited

    def settle(self, asset: Asset, cell: Cell, force: bool, outcome: Outcome) -> None:
        """Make, judge or skip a cell when its turn has come."""
        causes = self.own_causes(cell) | ({"forced"} if force else set())
        if not causes:
            outcome.skipped.add(cell)
        elif causes <= JUDGED_ONLY:
            made = self.made[cell]
            if passes(asset, made.frame):
                outcome.judged.add(cell)
                self.publish(cell, replace(made, checks=checks(asset), rolled_back=False))
            else:
                outcome.failed.add(cell)
        else:
            frame = self.content(asset, cell)
            if frame is None or not passes(asset, frame):
                outcome.failed.add(cell)
            else:
                outcome.made.add(cell)
                self.damaged.pop((cell[0], frame), None)
                uses = code(asset, self.project), setting(asset, self.project), library(asset, self.project)
                self.publish(cell, Made(*uses, checks(asset), self.reads_now(cell, afresh=True), frame))

    def publish(self, cell: Cell, made: Made) -> None:
        """Make a version of a cell current."""
        self.renewed.add(cell)
        self.made[cell] = made
        self.had.setdefault(cell, []).append(made)

    def harmed(self, number: int, keys: Set[str] | None) -> Cell | None:
        """Return the cell whose file is damaged before a run of some assets: one that these read, if there is one."""
        current = [cell for cell in self.cells() if cell in self.made]
        chosen = [asset for asset in self.project.made() if keys is not None and asset.key in keys]
        read = {given.upstream for asset in chosen for given in asset.inputs} - {asset.key for asset in chosen}
        near = [cell for cell in current if cell[0] in read] or current
        return near[number % len(near)] if near else None

    def moves(self, cells: Iterable[Cell]) -> list[tuple[Cell, Frame]]:
        """Return which cells can go back to which contents."""
        return [
            (cell, frame)
            for cell in cells
            for frame in {one.frame: None for one in self.had[cell]}
            if frame != self.made[cell].frame and (cell[0], frame) not in self.damaged
        ]

    def roll_back(self, cell: Cell, frame: Frame) -> None:
        """Go back to the newest version of a cell that had some content."""
        self.publish(cell, replace([one for one in self.had[cell] if one.frame == frame][-1], rolled_back=True))
        self.renewed.discard(cell)

    def content(self, asset: Asset, cell: Cell) -> Frame | None:
        """Return what the function or query of a cell makes of what it reads; None where it fails."""
        base = asset.constant + (bonus(asset, self.project) or 0)
        for given in asset.inputs:
            for key in self.reads(asset, given, cell):
                upstream = given.upstream, key
                assert self.is_readable(upstream)
                base += given.weight * total(self.content_of(upstream), given.used)
        slot = next(slot for slot in slots(asset.scheme) if slot.key == cell[1])
        base += place(asset, slot) if asset.uses_place else 0
        factors = self.project.factors
        if asset.helper:
            base += factors["x"]
        if asset.helper == "y":
            base *= factors["y"]
        if asset.fails is not None and base % 4 == asset.fails:
            return None
        q = base // asset.divisor
        more = (0,) if asset.extra else ()
        rows = tuple((*more, q + row, q // 5 + row, q % 2, q // 3 % 4 + asset.tilt) for row in range(q // 4 % 3))
        return Frame(("z", *COLUMNS) if asset.extra else COLUMNS, rows)

    def content_of(self, cell: Cell) -> Frame:
        """Return the present content of any cell, external ones as they are read."""
        asset = self.project.assets[cell[0]]
        if not asset.is_external:
            return self.made[cell].frame
        factor = self.project.factors["read"] if asset.reader else 1
        return Frame(COLUMNS, tuple((n * factor, m, *derived(n, m)) for n, m, _ in self.project.files[cell] or ()))
