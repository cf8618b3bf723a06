"""Does a plan list what the law says, for its reasons, whatever part of a project was made before?"""

from __future__ import annotations

from histories import History, partial_runs
from hypothesis import HealthCheck, given, settings
from scenario import check_partial_runs


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(partial_runs())
def test_plans_and_runs_of_any_part_are_what_the_law_says(history: History) -> None:
    check_partial_runs(history)
