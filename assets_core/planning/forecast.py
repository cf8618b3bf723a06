"""Forecast: what a plan will take and give, by what the newest versions of its assets took and gave.

Made for the command that prints a plan; a run orders its work by the same costs. It must not know how anything is run.

What a span means. `expected`: each cell that can run, the provisional ones too, at the mean of its asset. `low`: each
cell that is certain to run, at what a tenth of its asset's versions stayed below; no provisional one runs. `high`: each
cell, the provisional ones too, at what a tenth of the versions exceeded, or two deviations of a sum of independent
cells above the expected sum, whichever is more. So `low` and `high` are for cells that are all quick or all slow
together, as on an idle or a busy machine, and lie far outside of what chance alone does to many cells. A cell that is
only judged again counts like one that may run. Cells of assets without history count for nothing, and are said apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.queries import load as query
from catalog.session import Catalog

from ..model.keys import AssetKey
from .chains import cells_in_sequence, longest_chain, waits_of
from .plan import AssetSteps, Plan
from .staleness import Cause

_FEW = 10  # of fewer versions none stands for a tenth of them
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """An honest number: what it will hardly be below, what is expected, what it will hardly be above."""

    low: float = 0.0
    expected: float = 0.0
    high: float = 0.0

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.expected + other.expected, self.high + other.high)

    def to_json(self, digits: int | None = None) -> dict[str, float]:
        """Return it as JSON values, rounded to so many digits; None gives whole numbers."""
        return {name: round(getattr(self, name), digits) for name in ("low", "expected", "high")}


@dataclass(frozen=True, slots=True)
class Sample:
    """One quantity over the newest versions of an asset; a tenth of them is below `low`, and a tenth above `high`."""

    low: float
    mean: float
    high: float
    deviation: float

    def of(self, certain: int, uncertain: int) -> Span:
        """Return the sum over cells, of which some are certain to run and others may."""
        cells = certain + uncertain
        expected = cells * self.mean
        return Span(
            min(certain * self.low, expected),
            expected,
            max(cells * self.high, expected + 2 * self.deviation * math.sqrt(cells)),
        )


@dataclass(frozen=True, slots=True)
class Costs:
    """What the newest versions of an asset took and gave; `versions` is how many they are."""

    versions: int
    seconds: Sample
    rows: Sample
    size_bytes: Sample


@dataclass(frozen=True, slots=True)
class AssetForecast:
    """What the cells of one asset that can run will take and give; `versions`: how many that is known from."""

    asset: AssetKey
    cells: int
    provisional: int
    versions: int
    seconds: Span
    rows: Span
    size_bytes: Span

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "asset": self.asset,
            "cells": self.cells,
            "provisional": self.provisional,
            "versions": self.versions,
            **_json_of(self),
        }


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a plan will take and give. `seconds` are those of all threads together, `wall_seconds` those on the clock.

    `chain`: the assets that wait for each other for the longest time, with the seconds of each on it.
    """

    assets: tuple[AssetForecast, ...]
    threads: int
    seconds: Span
    rows: Span
    size_bytes: Span
    wall_seconds: Span
    chain: tuple[tuple[AssetKey, float], ...]

    @property
    def cells(self) -> int:
        return sum(one.cells for one in self.assets)

    @property
    def provisional(self) -> int:
        return sum(one.provisional for one in self.assets)

    @property
    def without_history(self) -> dict[AssetKey, int]:
        """Return how many cells of which assets count for nothing, since none was ever made."""
        return {one.asset: one.cells for one in self.assets if not one.versions}

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "cells": self.cells,
            "provisional": self.provisional,
            **_json_of(self),
            "threads": self.threads,
            "wall_seconds": self.wall_seconds.to_json(3),
            "critical_path": [{"asset": key, "seconds": round(seconds, 3)} for key, seconds in self.chain],
            "without_history": [{"asset": key, "cells": cells} for key, cells in self.without_history.items()],
            "assets": [one.to_json() for one in self.assets],
        }


def _json_of(found: AssetForecast | Forecast) -> dict[str, Any]:
    return {
        "seconds": found.seconds.to_json(3),
        "rows": found.rows.to_json(),
        "bytes": found.size_bytes.to_json(),
    }


def recent_costs(catalog: Catalog) -> dict[AssetKey, Costs]:
    """Return what the newest versions of every asset that was ever made took and gave."""
    with catalog.read() as connection:
        return costs_of(connection.sql(query("costs")).fetchall())


def costs_of(rows: Sequence[tuple[Any, ...]]) -> dict[AssetKey, Costs]:
    """Return the costs that the query `costs` tells; those known from few versions spread more than these do."""
    found: dict[AssetKey, Costs] = {}
    for asset, versions, *numbers in rows:
        wider = 2 if versions < _FEW else 1
        seconds, rows_of, size_bytes = (
            Sample(low / wider, mean, high * wider, deviation)
            for low, mean, high, deviation in (numbers[:4], numbers[4:8], numbers[8:])
        )
        found[AssetKey(asset)] = Costs(versions, seconds, rows_of, size_bytes)
    return found


def mean_seconds(costs: Mapping[AssetKey, Costs]) -> dict[AssetKey, float]:
    """Return what a cell of each asset takes, by which a run orders its work."""
    return {key: cost.seconds.mean for key, cost in costs.items()}


def forecast(plan: Plan, costs: Mapping[AssetKey, Costs], threads: int) -> Forecast:
    """Return what a plan will take and give on so many threads.

    The time on the clock is at least that of the work divided by the threads, and at least that of the longest chain of
    cells that wait for each other: the greater of the two.
    """
    running = {steps.asset.key: steps for steps in plan.steps if len(steps.runnable)}
    assets = tuple(_of_asset(steps, costs.get(key)) for key, steps in running.items())
    seconds = sum((one.seconds for one in assets), Span())
    in_sequence = {key: _in_sequence(steps, costs.get(key)) for key, steps in running.items()}
    waits = waits_of(plan)
    bounds: list[float] = []
    for bound in ("low", "expected", "high"):
        micros = {key: round(getattr(span, bound) * _MICRO) for key, span in in_sequence.items()}
        chain = longest_chain(waits, micros)
        longest = sum(getattr(in_sequence[key], bound) for key in chain)
        bounds.append(max(longest, getattr(seconds, bound) / threads))
    micros = {key: round(span.expected * _MICRO) for key, span in in_sequence.items()}
    return Forecast(
        assets,
        threads,
        seconds,
        sum((one.rows for one in assets), Span()),
        sum((one.size_bytes for one in assets), Span()),
        Span(*bounds),
        tuple((key, in_sequence[key].expected) for key in longest_chain(waits, micros)),
    )


def _of_asset(steps: AssetSteps, cost: Costs | None) -> AssetForecast:
    cells, uncertain, judged = _counts(steps)
    key, provisional = steps.asset.key, uncertain - judged
    if cost is None:
        return AssetForecast(key, cells, provisional, 0, Span(), Span(), Span())
    certain = cells - uncertain
    return AssetForecast(
        key,
        cells,
        provisional,
        cost.versions,
        cost.seconds.of(certain, uncertain),
        cost.rows.of(certain, provisional),
        cost.size_bytes.of(certain, provisional),
    )


def _in_sequence(steps: AssetSteps, cost: Costs | None) -> Span:
    """Return what the cells of an asset take that have to be made one behind the other."""
    if cost is None:
        return Span()
    cells, uncertain, _ = _counts(steps)
    longest = cells_in_sequence(steps)
    certain = min(longest, cells - uncertain)
    return cost.seconds.of(certain, longest - certain)


def _counts(steps: AssetSteps) -> tuple[int, int, int]:
    """Return how many cells can run, how many of them may turn out not to, and how many of these are only judged."""
    causes = steps.causes[~steps.blocked]
    judged = int((causes == Cause.CONTRACT_CHANGED).sum())
    provisional = int((causes == Cause.UPSTREAM_WILL_RUN).sum())
    return len(causes), provisional + judged, judged
