"""Does a run after any edits leave what a run from scratch makes, run only what the law says, and then nothing?"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_edits import Choices
from scenario import Scenario


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_run_after_any_edits_leaves_what_a_run_from_scratch_makes(data: st.DataObject) -> None:
    choices = Choices(data.draw)
    project = choices.project()
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(Path(folder) / "project", project)
        scenario.run()
        for _ in range(choices.number(1, 2)):
            for _ in range(choices.number(1, 3)):
                project = choices.edited(project)
            scenario.edit(project)
            outcome = scenario.run()
        if not outcome.failed and not outcome.blocked:
            scenario.nothing_is_left_to_do()
        scenario.data_is_as_from_scratch(Path(folder) / "scratch")
