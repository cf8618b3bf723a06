"""Which cells are stale and why, what a run does, and what each cell then holds: the law, in dictionaries.

A cell remembers the code, the checks and the exact inputs that it was made from; it is fresh if they are those of now.
Nothing here uses the product, arrays or digests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from naive_partitions import Scheme, Slot, cells_read, slots
from random_project import Asset, Input, Project, Rows, csv_text

Cell = tuple[str, str | None]
Code = tuple[object, ...]
Version = object
Inputs = Mapping[str, tuple[str, Mapping[str | None, Version]]]

CERTAIN = frozenset(["missing", "code_changed", "input_changed", "forced"])


@dataclass(frozen=True)
class Made:
    """What is remembered of the current version of a cell."""

    code: Code
    checks: Code
    inputs: Inputs
    content: Rows


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
    """What was made so far, and the project as it is now."""

    def __init__(self, project: Project, made: Mapping[Cell, Made] | None = None) -> None:
        self.project = project
        self.made = dict(made or {})

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
            "input_changed": made.inputs != self.inputs(cell),
            "contract_changed": made.checks != checks(asset),
        }
        return {cause for cause, is_so in changed.items() if is_so}

    def inputs(self, cell: Cell) -> Inputs:
        """Return what a cell reads now: by input, the version of each upstream partition, None where none is there."""
        asset = self.project.assets[cell[0]]
        return {
            given.name: (
                given.upstream,
                {key: self.version((given.upstream, key), given.columns) for key in self.reads(asset, given, cell)},
            )
            for given in asset.inputs
        }

    def reads(self, asset: Asset, given: Input, cell: Cell) -> frozenset[str | None]:
        return cells_read(given.reading, asset.scheme, self.project.assets[given.upstream].scheme)[cell[1]]

    def version(self, cell: Cell, columns: tuple[str, ...] | None) -> Version:
        """Return the version of a cell as a reader of some columns sees it."""
        asset = self.project.assets[cell[0]]
        if asset.is_external:
            rows = self.project.files[cell]
            return None if rows is None else (code(asset, self.project), csv_text(rows))
        made = self.made.get(cell)
        if made is None or columns is None:
            return None if made is None else made.content
        return {name: [row["nm".index(name)] for row in made.content] for name in columns}

    def is_there(self, cell: Cell) -> bool:
        is_external = self.project.assets[cell[0]].is_external
        return self.project.files[cell] is not None if is_external else cell in self.made

    def plan(self, selected: set[Cell], force: bool) -> dict[Cell, Planned]:
        """Return every stale cell, selected or not; only the selected can make their readers provisional."""
        found: dict[Cell, Planned] = {}
        will_run: set[Cell] = set()
        for asset in self.project.made():
            for cell in self.cells([asset]):
                causes = self.own_causes(cell) | ({"forced"} if force and cell in selected else set())
                upstreams = [[(g.upstream, key) for key in self.reads(asset, g, cell)] for g in asset.inputs]
                if cell in selected and any(upstream in will_run for each in upstreams for upstream in each):
                    causes.add("upstream_will_run")
                blocked = any(
                    not each or any(not self.is_there(upstream) and upstream not in will_run for upstream in each)
                    for each in upstreams
                )
                if causes:
                    found[cell] = Planned(frozenset(causes), blocked)
                if causes - {"contract_changed"} and cell in selected and not blocked:
                    will_run.add(cell)
        return found

    # What a run does

    def run(self, selected: set[Cell], force: bool) -> Outcome:
        """Do what a run does: in order, each cell when its upstreams are settled, early cutoff included."""
        planned, outcome = self.plan(selected, force), Outcome()
        stopped: set[Cell] = set()
        for cell in planned:
            if cell not in selected:
                continue
            asset = self.project.assets[cell[0]]
            if planned[cell].blocked:
                outcome.blocked.add(cell)
            elif stopped & self.waits_for(asset, cell):
                outcome.blocked.add(cell)
                stopped.add(cell)
            else:
                self._settle(asset, cell, force, outcome)
                if cell in outcome.failed:
                    stopped.add(cell)
        return outcome

    def waits_for(self, asset: Asset, cell: Cell) -> set[Cell]:
        """Return the cells that a cell reads, and those of the assets that it comes after."""
        awaited = {(given.upstream, key) for given in asset.inputs for key in self.reads(asset, given, cell)}
        for key in asset.after:
            given = Input("after", key)
            awaited |= {(key, partition) for partition in self.reads(asset, given, cell)}
        return awaited

    def _settle(self, asset: Asset, cell: Cell, force: bool, outcome: Outcome) -> None:
        causes = self.own_causes(cell) | ({"forced"} if force else set())
        if not causes:
            outcome.skipped.add(cell)
        elif causes == {"contract_changed"}:
            made = self.made[cell]
            if passes(asset, made.content):
                outcome.judged.add(cell)
                self.made[cell] = Made(made.code, checks(asset), made.inputs, made.content)
            else:
                outcome.failed.add(cell)
        else:
            content = self.content(asset, cell)
            if content is None or not passes(asset, content):
                outcome.failed.add(cell)
            else:
                outcome.made.add(cell)
                now = code(asset, self.project), checks(asset), self.inputs(cell)
                self.made[cell] = Made(*now, content)

    def content(self, asset: Asset, cell: Cell) -> Rows | None:
        """Return what the function or query of a cell makes of what it reads; None where it fails."""
        base = asset.constant
        for given in asset.inputs:
            for key in self.reads(asset, given, cell):
                base += given.weight * total(self.content_of((given.upstream, key)), given.columns)
        slot = next(slot for slot in slots(asset.scheme) if slot.key == cell[1])
        base += place(asset, slot) if asset.uses_place else 0
        factors = self.project.factors
        if asset.helper:
            base += factors["x"]
        if asset.helper == "y":
            base *= factors["y"]
        if asset.fails is not None and base % 4 == asset.fails:
            return None
        quotient = base // asset.divisor
        return tuple((quotient + row, quotient // 5 + row) for row in range(quotient % 3))

    def content_of(self, cell: Cell) -> Rows:
        """Return the present content of any cell, external ones as they are read."""
        asset = self.project.assets[cell[0]]
        if not asset.is_external:
            return self.made[cell].content
        factor = self.project.factors["read"] if asset.reader else 1
        return tuple((n * factor, m) for n, m, _ in self.project.files[cell] or ())


def total(rows: Rows, columns: tuple[str, ...] | None) -> int:
    read = ("n", "m") if columns is None else columns
    return sum((n if "n" in read else 0) + (2 * m if "m" in read else 0) for n, m in rows)


def place(asset: Asset, slot: Slot) -> int:
    """Return what a cell knows of its partition."""
    assert slot.key is not None
    if asset.kind != "function":
        return ord(slot.key[-1])
    hours = 0 if slot.start is None or slot.end is None else int((slot.end - slot.start).total_seconds()) // 3600
    return sum(slot.key.encode()) % 11 + hours


def code(asset: Asset, project: Project) -> Code:
    """Return everything in the sources that decides what an asset's function, query or reader does with its inputs."""
    factors = project.factors
    if asset.is_external:
        return (asset.path, ("read_csv", factors["read"]) if asset.reader else None)
    inputs = [(g.name, g.columns, g.weight, g.hand_off, g.by_partition) for g in asset.inputs]
    knows_partition = asset.uses_place or asset.batch
    rule: object = asset.scheme.rule if knows_partition and isinstance(asset.scheme, Scheme) else None
    if asset.kind != "function":
        inputs = [(*given[:3], "", False) for given in inputs]
        return ("sql", tuple(inputs), asset.constant, asset.divisor, rule, asset.uses_place)
    helped = {"": (), "x": (factors["x"],), "y": (factors["x"], factors["y"])}[asset.helper]
    return (
        "function",
        tuple(inputs),
        asset.constant,
        asset.divisor,
        asset.helper,
        helped,
        asset.fails,
        asset.form,
        asset.batch,
        asset.uses_place,
        rule,
    )


def checks(asset: Asset) -> Code:
    """Return everything in the sources that decides the verdict on an asset's data."""
    return (asset.contract, asset.check)


def passes(asset: Asset, content: Rows) -> bool:
    """Tell whether no check of severity error fails."""
    limit, limit_severity = asset.contract or (0, "warn")
    remainder, check_severity = asset.check or (0, "warn")
    holds = all(n < limit for n, _ in content)
    differs = total(content, None) % 5 != remainder
    return (holds or limit_severity == "warn") and (differs or check_severity == "warn")
