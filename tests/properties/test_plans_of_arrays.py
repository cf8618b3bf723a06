"""Does the planner find what the law finds, cell by cell and cause by cause, whatever was made, edited or moved back?

No file is written: worlds are arrays, the past is a dictionary.
"""

from __future__ import annotations

import pytest
from array_world import check_plans
from histories import History, full_runs, partial_runs
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

SEEDS = (1, 2, 3)
"""Tests that can run side by side, each with examples of its own where the suite always tries the same."""


@pytest.mark.parametrize("number", SEEDS)
def test_plans_after_any_edits_are_what_the_law_says(number: int) -> None:
    _check(full_runs(may_be_open=True), number)


@pytest.mark.parametrize("number", SEEDS)
def test_plans_of_projects_made_in_part_are_what_the_law_says(number: int) -> None:
    _check(partial_runs(may_be_open=True), number)


def _check(histories: SearchStrategy[History], number: int) -> None:
    many = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))

    def holds(history: History) -> None:
        check_plans(history)

    seed(number)(many(given(histories)(holds)))()
