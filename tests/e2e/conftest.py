"""What the tests of this folder are given: an empty project of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command import SETTINGS, Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project folder with settings and no definitions yet."""
    made = Project(tmp_path / "project")
    made.write("assets.toml", SETTINGS)
    yield made
    made.end_all()
