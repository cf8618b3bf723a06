"""A run as seen from outside: what was asked for, how far it is, what it did.

Returned by `materialize` and printed by the commands.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .checks import CheckResult
from .graph import Graph
from .keys import AssetKey, Cell, PartitionKey


@dataclass(frozen=True, slots=True)
class Records:
    """What a new run must know of earlier ones.

    `declared`: each asset's declaration as last recorded, JSON text. `open_runs`: the runs that have not ended, with
    the number of cells that they made and that of their first record. `columns`: name and type of each asset's newest
    columns.
    """

    declared: Mapping[str, str]
    open_runs: Mapping[str, tuple[int, int]]
    columns: Mapping[AssetKey, Sequence[tuple[str, str]]]

    def redefines(self, graph: Graph) -> bool:
        """Tell whether an asset is gone, or its partitions are others: readers of the data go by what is recorded."""
        for key, document in self.declared.items():
            asset = graph.assets.get(AssetKey(key))
            now = None if asset is None or asset.partitions is None else asset.partitions.describe()
            if asset is None or json.loads(document)["partitions"] != now:
                return True
        return False


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What was asked for. `kind` is `materialize` or `backfill`; `atomic`: publish all cells together, or none.

    `plan`: the digest of the plan file that was agreed to; None where the plan was made for the run. `fail_fast`: give
    out no more once a cell has failed. `executor`: where steps run whose asset does not say, None for what the settings
    say. `continues`: the earlier run whose cells these are.
    """

    kind: str
    selection: str
    partitions: str | None
    atomic: bool = False
    plan: str | None = None
    fail_fast: bool = False
    executor: str | None = None
    continues: str | None = None


@dataclass(slots=True)
class AssetProgress:
    """How far a run is with the cells of one asset."""

    planned: int
    made: int = 0
    fresh: int = 0
    failed: int = 0
    blocked: int = 0

    @property
    def settled(self) -> int:
        return self.made + self.fresh + self.failed + self.blocked


@dataclass(frozen=True, slots=True)
class Running:
    """A step at work: its first cell, of how many, which attempt it is, and for how long it has been."""

    asset: AssetKey
    partition: PartitionKey | None
    cells: int
    attempt: int
    seconds: float


@dataclass(slots=True)
class Progress:
    """How far a run is, in cells. `seconds` since it began.

    `running` tells what is at work now. `retrying`: cells that failed and wait for another attempt; `waiting`: those
    that wait for another run, or for a slot.
    """

    planned: int
    made: int = 0
    fresh: int = 0
    failed: int = 0
    blocked: int = 0
    seconds: float = 0.0
    run: str = ""
    assets: dict[AssetKey, AssetProgress] = field(default_factory=dict)
    running: Callable[[], Sequence[Running]] = tuple
    retrying: int = 0
    waiting: int = 0
    paused: bool = False

    @property
    def settled(self) -> int:
        return self.made + self.fresh + self.failed + self.blocked

    def count(self, key: AssetKey, *, made: int = 0, fresh: int = 0, failed: int = 0, blocked: int = 0) -> None:
        """Count cells of an asset that are settled now."""
        for counts in (self, self.assets[key]):
            counts.made += made
            counts.fresh += fresh
            counts.failed += failed
            counts.blocked += blocked


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell that failed, and why. `error` is its kind: an exception's name, or `CheckFailed`."""

    cell: Cell
    error: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Warned:
    """A cell that was published although a check of severity `warn` did not pass."""

    cell: Cell
    check: CheckResult


@dataclass(slots=True)
class RunResult:
    """What a run did; `run` is None where nothing was stale, so that no run began.

    `fresh` counts the cells of the selection that needed nothing, those found so at their turn too; `withheld` those
    that an atomic run made, but did not publish since others failed. `retried` counts attempts that failed and were
    followed by another, `left` the planned cells that were not come to. A run that was cancelled is interrupted, too.
    """

    run: str | None
    withheld: int = 0
    made: int = 0
    fresh: int = 0
    failed: int = 0
    blocked: int = 0
    seconds: float = 0.0
    retried: int = 0
    left: int = 0
    interrupted: bool = False
    cancelled: bool = False
    failures: list[Failure] = field(default_factory=list)
    warned: list[Warned] = field(default_factory=list)
    blocked_by: Counter[str] = field(default_factory=Counter)
