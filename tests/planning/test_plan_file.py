"""A plan file holds a plan exactly, is refused where it is not one, and says what differs from the plan of now."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_core.errors import Place, UserError
from assets_core.model.asset import Asset, AssetKind, Edge, HandOff
from assets_core.model.graph import Graph
from assets_core.model.keys import AssetKey
from assets_core.model.mapping import Identity
from assets_core.model.partitions import DailyPartitions, HourlyPartitions, Partitions, StaticPartitions
from assets_core.planning.plan import AssetSteps, Plan
from assets_core.planning.plan_file import PlanFile, document_of, read_plan, write_plan
from assets_core.planning.staleness import Cause
from assets_core.planning.world import empty_world

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = DailyPartitions("2013-01-01", "2013-02-01")
FIRST = DAYS.ordinal("2013-01-01")
CAUSES = [int(cause) for cause in (Cause.MISSING, Cause.CODE_CHANGED, Cause.CODE_CHANGED | Cause.INPUT_CHANGED)]
Cells = Mapping[int, tuple[int, bool]]
"""By place among the partitions: the causes, and whether the cell is blocked."""


def asset(key: str, partitions: Partitions | None = DAYS, code: str = "0", **more: Any) -> Asset:
    return Asset(AssetKey(key), AssetKind.FUNCTION, Place("assets.py", 3), code * 32, partitions=partitions, **more)


ASSETS = (asset("a"), asset("b", StaticPartitions(["eu", "us, east"])), asset("total", None))


def plan_of(cells: Mapping[str, Cells], assets: tuple[Asset, ...] = ASSETS) -> Plan:
    world = empty_world(Graph(assets), NOW)
    steps = []
    for key, of in world.graph.assets.items():
        if own := cells.get(key):
            places = np.array(sorted(own), np.int64)
            causes = np.array([own[place][0] for place in sorted(own)], np.int64)
            blocked = np.array([own[place][1] for place in sorted(own)], np.bool_)
            steps.append(AssetSteps(of, world.states[key].first + places, causes, blocked))
    return Plan(world, tuple(steps), {}, False)


def cells_of(*places: int, causes: int = int(Cause.MISSING), blocked: bool = False) -> Cells:
    return dict.fromkeys(places, (causes, blocked))


def written(path: Path, plan: Plan, project: str = "x") -> PlanFile:
    write_plan(path, document_of(plan, project, 12, "*", None))
    return read_plan(path, project)


def refusal(agreed: PlanFile, plan: Plan) -> list[str]:
    with pytest.raises(UserError) as refused:
        agreed.require(plan)
    assert refused.value.exit_code == 2
    first, *lines = refused.value.what.split("\n    ")
    assert first == f"the plan in {agreed.path} is not what would run now"
    assert "assets plan" in refused.value.remedy
    return lines


def test_a_plan_says_what_was_asked_and_what_would_run_in_ranges(tmp_path: Path) -> None:
    plan = plan_of({"a": {**cells_of(0, 1, 2, 9), **cells_of(4, causes=CAUSES[2], blocked=True)}, "total": cells_of(0)})
    write_plan(tmp_path / "plan.json", document_of(plan, "x", 12, "a or total", "2013"))
    document = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    digest = document.pop("digest")
    assert len(digest) == 64
    of_a, of_total = document.pop("assets")
    assert document == {
        "format": "assets-core plan",
        "schema_version": 1,
        "project": "x",
        "selection": "a or total",
        "partitions": "2013",
        "force": False,
        "position": 12,
        "stale": 6,
        "fresh": 0,
    }
    assert of_a.pop("definition") != of_total.pop("definition")
    assert of_a == {
        "asset": "a",
        "partitions": DAYS.scheme,
        "cells": 5,
        "groups": [
            {
                "causes": ["missing"],
                "cells": 4,
                "ranges": [[FIRST, FIRST + 2], [FIRST + 9, FIRST + 9]],
                "keys": ["2013-01-01..2013-01-03", "2013-01-10"],
            },
            {
                "causes": ["code_changed", "input_changed"],
                "cells": 1,
                "ranges": [[FIRST + 4, FIRST + 4]],
                "keys": ["2013-01-05"],
            },
        ],
        "blocked": [[FIRST + 4, FIRST + 4]],
    }
    assert of_total["partitions"] is None
    agreed = read_plan(tmp_path / "plan.json", "x")
    assert (agreed.selection, agreed.partitions, agreed.force, agreed.digest) == ("a or total", "2013", False, digest)


def test_a_file_that_was_there_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("old", encoding="utf-8")
    written(tmp_path / "plan.json", plan_of({}))
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        write_plan(tmp_path / "nowhere" / "plan.json", {})
    with pytest.raises(UserError, match="is a folder"):
        write_plan(tmp_path, {})


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda text: text.replace('"missing"', '"forced"'), "is damaged"),
        (lambda text: text.replace(f"{FIRST}", f"{FIRST + 1}", 1), "is damaged"),
        (lambda text: text[: len(text) // 2], "not JSON"),
        (lambda text: "", "not JSON"),
        (lambda text: "[" * 100_000, "not JSON"),
        (lambda text: "[1]", "not a plan of assets-core"),
        (lambda text: '{"format": "terraform"}', "not a plan of assets-core"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 7'), "of form 7"),
        (lambda text: text.replace('"digest"', '"no_digest"'), "is damaged"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path, change: Any, what: str) -> None:
    path = tmp_path / "plan.json"
    written(path, plan_of({"a": cells_of(0, 1)}))
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(UserError, match=what) as refused:
        read_plan(path, "x")
    assert str(path) in refused.value.what
    assert refused.value.exit_code == 2


def test_bytes_that_are_no_text_a_missing_file_and_another_project_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    with pytest.raises(UserError, match="there is no plan file"):
        read_plan(path, "x")
    with pytest.raises(UserError, match="there is no plan file"):
        read_plan(tmp_path, "x")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not JSON"):
        read_plan(path, "x")
    written(path, plan_of({}))
    with pytest.raises(UserError, match="a plan of project 'x', and this is 'y'"):
        read_plan(path, "y")


def test_cells_that_became_stale_or_fresh_or_stale_for_other_causes_are_told_by_range(tmp_path: Path) -> None:
    agreed = written(tmp_path / "plan.json", plan_of({"a": cells_of(*range(10)), "b": cells_of(0, 1)}))
    now = {**cells_of(*range(3, 12)), **cells_of(5, 6, causes=CAUSES[2]), **cells_of(9, blocked=True)}
    assert refusal(agreed, plan_of({"a": now, "b": cells_of(0, 1), "total": cells_of(0)})) == [
        "a: 2 cells (2013-01-11..2013-01-12) newly stale (missing)",
        "a: 3 cells (2013-01-01..2013-01-03) no longer stale",
        "a: 2 cells (2013-01-06..2013-01-07) stale for other causes"
        " (missing before, code_changed and input_changed now)",
        "a: 1 cell (2013-01-10) blocked now",
        "total: 1 cell newly stale (missing)",
    ]


def test_no_more_than_twenty_differences_are_told(tmp_path: Path) -> None:
    assets = tuple(asset(f"a{number:02}") for number in range(30))
    agreed = written(tmp_path / "plan.json", plan_of({}, assets))
    lines = refusal(agreed, plan_of({str(one.key): cells_of(*range(0, 30, 2)) for one in assets}, assets))
    assert len(lines) == 21
    assert lines[0].startswith(
        "a00: 15 cells (2013-01-01, 2013-01-03, 2013-01-05, 2013-01-07 and 11 more ranges) newly"
    )
    assert lines[-1] == "... and more"


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (asset("a", code="1"), ["a: its definition changed"]),
        (asset("a", batch=True), ["a: its definition changed"]),
        (asset("a", HourlyPartitions("2013-01-01", "2013-02-01")), ["a: its definition changed"]),
        (asset("other"), ["a: it is not declared any more"]),
        (replace(asset("a"), place=Place("moved.py", 9), owners=("ann",), tags={"x": "y"}, description="!"), []),
    ],
)
def test_a_changed_definition_is_told_and_a_moved_one_is_not(tmp_path: Path, now: Asset, told: list[str]) -> None:
    agreed = written(tmp_path / "plan.json", plan_of({"a": cells_of(0)}, (asset("a"),)))
    plan = plan_of({} if now.key == "other" else {"a": cells_of(0)}, (now,))
    if told:
        assert refusal(agreed, plan) == told
    else:
        agreed.require(plan)


def test_an_edge_that_changed_is_a_changed_definition(tmp_path: Path) -> None:
    def with_edge(hand_off: HandOff) -> Plan:
        edge = Edge("a", AssetKey("a"), Identity(), hand_off=hand_off)
        return plan_of({"b": cells_of(0)}, (asset("a"), asset("b", edges=(edge,))))

    agreed = written(tmp_path / "plan.json", with_edge(HandOff.POLARS))
    agreed.require(with_edge(HandOff.POLARS))
    assert refusal(agreed, with_edge(HandOff.PANDAS)) == ["b: its definition changed"]


some_cells = st.dictionaries(st.integers(0, 30), st.tuples(st.sampled_from(CAUSES), st.booleans()), max_size=12)


@settings(max_examples=60, deadline=None)
@given(some_cells, some_cells)
def test_a_plan_is_accepted_exactly_where_it_is_the_one_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, then: Cells, now: Cells
) -> None:
    agreed = written(tmp_path_factory.mktemp("plan") / "plan.json", plan_of({"a": then}))
    agreed.require(plan_of({"a": then}))
    if then != now:
        refusal(agreed, plan_of({"a": now}))


def test_a_plan_of_ten_million_cells_is_a_few_ranges(tmp_path: Path) -> None:
    hours = HourlyPartitions("1000-01-01", "2140-01-01")
    world = empty_world(Graph((asset("a", hours),)), datetime(2150, 1, 1, tzinfo=UTC))
    state = world.states[AssetKey("a")]
    assert len(state) > 9_900_000
    causes = np.full(len(state), int(Cause.MISSING), np.int64)
    causes[5_000_000:6_000_000] = CAUSES[1]
    steps = AssetSteps(state.asset, state.ordinals, causes, np.zeros(len(state), np.bool_))
    plan = Plan(world, (steps,), {}, False)
    started = time.perf_counter()
    agreed = written(tmp_path / "plan.json", plan)
    agreed.require(plan)
    assert time.perf_counter() - started < 10
    assert (tmp_path / "plan.json").stat().st_size < 2000
