"""Does a run after any edits leave what a run from scratch makes, run only what the law says, and then nothing?"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from random_edits import History, full_runs
from scenario import Scenario


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(full_runs())
def test_a_run_after_any_edits_leaves_what_a_run_from_scratch_makes(history: History) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(Path(folder) / "project")
        for step in history:
            outcome = scenario.run(step)
        if not outcome.failed and not outcome.blocked:
            scenario.nothing_is_left_to_do()
        scenario.data_is_as_from_scratch(Path(folder) / "scratch")
