"""Which of a cell's versions does a text mean?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from assets_core.errors import SelectionError, UserError
from assets_core.keeping.publications import Publication, Wanted, wanted
from assets_core.model.keys import cell
from assets_core.project import Project, Settings
from catalog.journal import Journal

CELL = cell("days@2024-01-01")
NOW = datetime(2024, 6, 1, tzinfo=UTC)
VERSIONS = ["abcdef01" + "0" * 56, "abcdef02" + "0" * 56, "123456" + "7" * 58, "abcdef01" + "0" * 56]
HAD = [
    Publication(10 * place, 10 * place + 10 if place < len(VERSIONS) else None, version, "file", "2024", None, ())
    for place, version in enumerate(VERSIONS, 1)
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with three records."""
    journal = Journal(tmp_path / ".assets/journal", {"user": "test"}, lambda: NOW)
    journal.append([("withdrawn", {"asset": "a"}), ("withdrawn", {"asset": "b"})])
    journal.close()
    return Project(tmp_path, Settings("publications"))


@pytest.mark.parametrize(
    ("text", "published_seq"),
    [("abcdef01", 40), ("ABCDEF02", 20), ("123456", 30), ("current", 40), ("previous", 30)],
)
def test_a_version_is_meant_by_its_first_digits_or_by_a_word(project: Project, text: str, published_seq: int) -> None:
    assert wanted(project, text, NOW, ("current", "previous")).of(CELL, HAD).published_seq == published_seq


@pytest.mark.parametrize(("position", "place"), [(10, 0), (19, 0), (20, 1), (39, 2), (40, 3), (4000, 3)])
def test_a_position_means_what_was_current_there(position: int, place: int) -> None:
    assert Wanted(str(position), position=position).of(CELL, HAD) is HAD[place]


def test_numbers_are_a_record_where_there_is_such_a_record(project: Project) -> None:
    assert wanted(project, "3", NOW) == Wanted("3", position=3)
    with pytest.raises(UserError, match="there is no record 12345: the last one is 3"):
        wanted(project, "12345", NOW)


def test_too_little_of_a_version_is_refused(project: Project) -> None:
    with pytest.raises(SelectionError, match="abcde is too little of a version"):
        wanted(project, "abcde", NOW)


def test_the_beginning_of_several_versions_names_none() -> None:
    with pytest.raises(SelectionError, match="abcdef0 is the beginning of several versions of days@2024-01-01"):
        Wanted("abcdef0", prefix="abcdef0").of(CELL, HAD)


def test_a_version_that_never_was_is_answered_with_those_that_were() -> None:
    with pytest.raises(SelectionError) as refused:
        Wanted("abcdef09", prefix="abcdef09").of(CELL, HAD)
    assert "(did you mean 'abcdef0" in refused.value.what
    assert "abcdef010000, 123456777777, abcdef020000" in refused.value.remedy


def test_before_its_first_version_a_cell_had_none() -> None:
    with pytest.raises(SelectionError, match="was not published at 9 "):
        Wanted("9", position=9).of(CELL, HAD)
    with pytest.raises(SelectionError, match="nothing of days@2024-01-01 was ever published"):
        Wanted("9", position=9).of(CELL, [])
