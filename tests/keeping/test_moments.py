"""Is a moment that retention has made unknowable refused, and every other one read as it is meant?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets_core.errors import UserError
from assets_core.keeping.moments import position_of
from assets_core.project import Project, Settings
from catalog.journal import Journal

START = datetime(2024, 1, 1, 8, tzinfo=UTC)
NOW = datetime(2024, 6, 1, tzinfo=UTC)


def recorded(folder: Path, *, is_pruned: bool = False) -> Project:
    """Return a project of which a fact was recorded on each of ten days, at eight; the last may tell of pruning."""
    times = [START + timedelta(days=day) for day in range(11)]
    journal = Journal(folder / ".assets/journal", {"user": "test"}, lambda: times.pop(0))
    for number in range(10):
        journal.append([("withdrawn", {"asset": f"asset_{number}"})])
    if is_pruned:
        segments = [[f"{1:020}.jsonl", 11, 3]]
        journal.append(
            [("pruned", {"before": "2024-01-05T00:00:00.000000Z", "segments": segments, "reason": "too old"})]
        )
    journal.close()
    return Project(folder, Settings("moments"))


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("1", 1),
        ("11", 11),
        ("2024-01-01T08:00", 2),  # the session comes before the first fact
        ("2024-01-02", 2),
        ("2024-01-02T08:00:00Z", 3),
        ("2024-01-02T08:59+01:00", 2),
        ("2024-01-02T09:00+01:00", 3),
        ("2024-01-02 10:00", 3),
        ("2024-05-31", 11),
    ],
)
def test_a_moment_is_a_record_or_the_last_one_until_a_time(tmp_path: Path, text: str, position: int) -> None:
    assert position_of(recorded(tmp_path), text, NOW) == position


@pytest.mark.parametrize("text", ["4", "2024-01-03T09:00"])
def test_what_retention_dropped_cannot_be_asked_for(tmp_path: Path, text: str) -> None:
    project = recorded(tmp_path, is_pruned=True)
    with pytest.raises(UserError, match=f"{text} is before what is kept"):
        position_of(project, text, NOW)
    assert position_of(project, "5", NOW) == 5
    assert position_of(project, "2024-01-05", NOW) == 5


def test_a_project_of_which_nothing_is_recorded_has_no_past(tmp_path: Path) -> None:
    (tmp_path / ".assets").mkdir()
    with pytest.raises(UserError, match="nothing was recorded yet"):
        position_of(Project(tmp_path, Settings("moments")), "1", NOW)
