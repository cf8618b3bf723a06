"""`assets plan`: every stale cell of a selection, why, and what making them will take."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from .app import AsJson, Force, PartitionRange, ProjectFolder, Selection
from .output import print_line, print_table, say

if TYPE_CHECKING:
    from ..planning.evidence import Evidence, StepEvidence
    from ..planning.forecast import Forecast
    from ..planning.plan import AssetSteps, Plan
    from ..versions.recipe import Ordinals

_RANGES = 4  # of partitions that a row of the table names
_ASSETS = 5  # that a line of the forecast names
_OF_EVERY_CELL = {"kind", "values", "parts", "diff", "checks", "after_seconds", "partitions_were", "outside"}


class _Group(NamedTuple):
    """Stale cells of one asset with equal causes: their positions in its steps, and the causes."""

    steps: AssetSteps
    positions: Ordinals
    causes: list[dict[str, Any]]


def add_to(app: typer.Typer) -> None:
    app.command("plan")(plan)


def plan(
    selection: Selection = "*",
    partitions: PartitionRange = None,
    force: Force = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="The evidence in full: all partitions, and what changed in the code.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the plan there, for materialize --plan.")
    ] = None,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print every stale cell and why, and on stderr what making them will take. Nothing is run or recorded.

    Example: assets plan "group:marts or tag:domain=flights" --partitions 2013-01-01..2013-01-31

    Example: assets plan "state:failed or cause:code_changed" --explain

    Example: assets plan "changed-since:2026-01-31+" --out plan.json
    """
    from datetime import UTC, datetime
    from functools import partial

    from ..keeping.moments import position_of
    from ..materialize import look
    from ..planning.choose import choose
    from ..planning.evidence import Evidence
    from ..planning.forecast import forecast, recent_costs
    from ..planning.plan import make_plan
    from ..planning.plan_file import document_of, write_plan
    from ..project import find_project

    found = find_project(project)
    view = look(found)
    moment = partial(position_of, found, now=datetime.now(UTC))
    chosen = choose(view.world, selection, partitions, moment=moment, code_now=found.code_parts)
    planned = make_plan(view.world, chosen, force=force)
    if out is not None:
        write_plan(out, document_of(planned, found.settings.name, view.position.seq, selection, partitions))
    if not planned.stale and not as_json:
        say(f"nothing to do: {planned.fresh} cells fresh")
        return
    evidence = Evidence(planned, found.code_parts, in_full=explain)
    groups = [_Group(steps, *group) for steps in planned.steps for group in evidence.of(steps).groups()]
    expected = forecast(planned, recent_costs(found.catalog), found.settings.threads)
    if as_json:
        _print_json(planned, evidence, groups, expected)
        return
    if explain:
        _print_explained(planned, groups)
    else:
        print_table(["asset", "cells", "partitions", "causes"], [_row(planned, group) for group in groups])
    _say_totals(planned, groups)
    _say_forecast(expected)


# For people


def _row(planned: Plan, group: _Group) -> list[object]:
    from ..planning.words import words

    ranges = _ranges(group)
    shown = ", ".join(ranges[:_RANGES]) + (f" and {len(ranges) - _RANGES} more" if len(ranges) > _RANGES else "")
    text = "; ".join(words(cause) for cause in group.causes)
    return [group.steps.asset.key, len(group.positions), shown, text + _blocked(planned, group)]


def _blocked(planned: Plan, group: _Group) -> str:
    """Return in words how many cells of a group cannot run, and why."""
    from ..planning.plan import first_gap

    blocked = int(group.steps.blocked[group.positions].sum())
    return f" (blocked: {blocked}, as {first_gap(planned, group.steps)})" if blocked else ""


def _ranges(group: _Group) -> list[str]:
    from ..planning.ranges import range_texts

    return range_texts(group.steps.asset.partitions, group.steps.ordinals[group.positions])


def _print_explained(planned: Plan, groups: Iterable[_Group]) -> None:
    """Print each group with all its partitions, and below each cause all that is known of it."""
    from ..planning.words import words

    for group in groups:
        count = len(group.positions)
        print_line(f"{group.steps.asset.key}\t{count} cell{'' if count == 1 else 's'}{_blocked(planned, group)}")
        for text in _ranges(group):
            print_line(f"  {text}")
        for cause in group.causes:
            print_line(f"    {words({**cause, 'partitions': []} if 'upstream' in cause else cause)}")
            for text in [*cause.get("partitions", ()), *cause.get("diff", ())]:
                print_line(f"      {text}")


def _say_totals(planned: Plan, groups: Iterable[_Group]) -> None:
    provisional = int(sum(steps.provisional.sum() for steps in planned.steps))
    say(f"{planned.stale} cells stale ({provisional} of them provisional), {planned.fresh} fresh")
    counts = _by_cause(groups)
    say("by cause: " + ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items()))


def _by_cause(groups: Iterable[_Group]) -> dict[str, int]:
    """Return how many cells are stale for each cause; a cell counts for each that it has."""
    counts: Counter[str] = Counter()
    for group in groups:
        for kind in {cause["kind"] for cause in group.causes}:
            counts[kind] += len(group.positions)
    return dict(counts.most_common())


def _say_forecast(expected: Forecast) -> None:
    seconds, wall, rows, size = expected.seconds, expected.wall_seconds, expected.rows, expected.size_bytes
    if len(expected.without_history) < len(expected.assets):
        say(
            f"forecast: {_time(seconds.expected)} of work ({_time(seconds.low)} to {_time(seconds.high)}),"
            f" {_time(wall.expected)} on {expected.threads} threads ({_time(wall.low)} to {_time(wall.high)});"
            f" {rows.expected:.0f} rows ({rows.low:.0f} to {rows.high:.0f}),"
            f" {_size(size.expected)} ({_size(size.low)} to {_size(size.high)})"
        )
    if len(expected.chain) > 1:
        names = [key for key, _ in expected.chain]
        more = f" > {len(names) - _ASSETS} more" if len(names) > _ASSETS else ""
        longest = sum(seconds for _, seconds in expected.chain)
        say(f"critical path: {_time(longest)}: {' > '.join(names[:_ASSETS])}{more}")
    if unknown := expected.without_history:
        told = [f"{cells} cell{'s' if cells != 1 else ''} of {key}" for key, cells in unknown.items()]
        more = f" and of {len(told) - _ASSETS} more assets" if len(told) > _ASSETS else ""
        say(f"no history for {', '.join(told[:_ASSETS])}{more}")


def _time(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def _size(size_bytes: float) -> str:
    for unit, length in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= length:
            return f"{size_bytes / length:.3g} {unit}"
    return f"{size_bytes:.0f} B"


# As JSON


def _print_json(planned: Plan, evidence: Evidence, groups: list[_Group], expected: Forecast) -> None:
    """Print a plan as one JSON value on a line; its steps one by one, since there may be millions."""
    seconds = {one.asset: one.seconds.expected / one.cells for one in expected.assets if one.versions}
    whole = {
        "stale": planned.stale,
        "causes": _by_cause(groups),
        "forecast": expected.to_json(),
        "groups": [_group_document(group, seconds.get(group.steps.asset.key)) for group in groups],
    }
    sys.stdout.write(_json(whole)[:-1] + ', "steps": [')
    of_asset: dict[str, list[_Group]] = {}
    for group in groups:
        of_asset.setdefault(group.steps.asset.key, []).append(group)
    separator = ""
    for steps in planned.steps:
        for text in _step_texts(steps, evidence.of(steps), of_asset[steps.asset.key]):
            sys.stdout.write(separator + text)
            separator = ", "
    sys.stdout.write("]}\n")


def _group_document(group: _Group, seconds: float | None) -> dict[str, Any]:
    runs = int((~group.steps.blocked[group.positions]).sum())
    return {
        "asset": group.steps.asset.key,
        "cells": len(group.positions),
        "ranges": _ranges(group),
        "causes": group.causes,
        "provisional": bool(group.steps.provisional[group.positions[0]]),
        "blocked": len(group.positions) - runs,
        "seconds": None if seconds is None else round(runs * seconds, 3),
    }


def _step_texts(steps: AssetSteps, evidence: StepEvidence, groups: list[_Group]) -> Iterator[str]:
    """Yield each stale cell of an asset as JSON text."""
    import numpy as np

    from ..planning.spelling import keys_of

    partitions = steps.asset.partitions
    keys = [None] * len(steps) if partitions is None else keys_of(partitions, steps.ordinals)
    words = {False: "false", True: "true"}
    group_of = np.zeros(len(steps), np.int64)
    shared: list[str | None] = []
    for number, group in enumerate(groups):
        group_of[group.positions] = number
        is_shared = all(cause.keys() <= _OF_EVERY_CELL for cause in group.causes)
        shared.append(_json(_without_diff(group.causes)) if is_shared else None)
    asset, numbers = _json(steps.asset.key), group_of.tolist()
    provisional, blocked = steps.provisional.tolist(), steps.blocked.tolist()
    for index, key in enumerate(keys):
        causes = shared[numbers[index]]
        yield (
            f'{{"asset": {asset}, "partition": {_json(key)}, '
            f'"causes": {_json(_without_diff(evidence.causes(index))) if causes is None else causes}, '
            f'"provisional": {words[provisional[index]]}, "blocked": {words[blocked[index]]}}}'
        )


def _without_diff(causes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return causes without what is long and the same for many cells; the groups have it."""
    return [{name: member for name, member in cause.items() if name != "diff"} for cause in causes]


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


def _json(value: object) -> str:
    return _ENCODER.encode(value)
