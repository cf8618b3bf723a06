"""Does a run after any edits leave what a run from scratch makes, run only what the law says, and then nothing?"""

from __future__ import annotations

from histories import History, full_runs
from hypothesis import HealthCheck, given, settings
from scenario import check_full_runs


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(full_runs())
def test_a_run_after_any_edits_leaves_what_a_run_from_scratch_makes(history: History) -> None:
    check_full_runs(history)
