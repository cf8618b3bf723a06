"""Histories that random ones come upon seldom, of which the planner once thought otherwise than the law says."""

from __future__ import annotations

from dataclasses import replace

from array_world import check_plans
from histories import History, Step
from naive_partitions import Reading, Scheme
from random_project import Asset, Input, Project

DAYS = Scheme("daily", "2021-03-28", "2021-03-31")
DAILY = Asset("a", "function", DAYS, constant=30, uses_place=True)
ALONE = Asset("n", "function", constant=5)


def project(*assets: Asset) -> Project:
    return Project({asset.key: asset for asset in assets}, {"x": 1, "y": 1, "read": 1}, {}, sets={"places": ()})


def reading(kind: str, *, optional: bool) -> Asset:
    return replace(ALONE, inputs=(Input("a", "a", Reading(kind), optional=optional),))


def check_without_its_upstream(reader: Asset, number: int) -> None:
    """Change a reader, damage a file that it reads, and make the reader alone."""
    before, after = project(DAILY, reader), project(DAILY, replace(reader, constant=9))
    check_plans(History([Step(before), Step(after, "n", frozenset(["n"]), damage=(number, "changed"))]))


def test_a_file_that_was_changed_from_outside_is_not_read() -> None:
    for number in range(3):
        check_without_its_upstream(reading("all", optional=False), number)
        check_without_its_upstream(reading("all", optional=True), number)


def test_the_newest_partition_is_not_read_where_it_was_changed_from_outside() -> None:
    for number in range(3):
        check_without_its_upstream(reading("newest", optional=False), number)
        check_without_its_upstream(reading("newest", optional=True), number)


def test_an_input_that_hands_over_nothing_is_rewired_where_it_comes_and_goes() -> None:
    nowhere = Asset("o", "function", Scheme("dynamic", name="places"))
    reader = replace(ALONE, inputs=(Input("o", "o", Reading("all"), by_partition=True),))
    without, with_it = Step(project(nowhere, ALONE)), Step(project(nowhere, reader))
    check_plans(History([without, with_it, without]))


def test_a_cell_that_is_back_at_a_version_without_inputs_is_rewired_by_one() -> None:
    changed = replace(reading("all", optional=False), constant=9)
    back = Step(project(DAILY, changed), rollback=0)
    check_plans(History([Step(project(DAILY, ALONE)), Step(project(DAILY, changed)), back]))
