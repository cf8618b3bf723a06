"""The examples of docs/commands.md run, and the page names every placeholder and every format."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from assets_core.loading.commands import FORMATS
from assets_core.materialize import materialize, plan
from assets_core.project import find_project
from assets_core.published import reading

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "commands.md").read_text(encoding="utf-8")


def write_project(folder: Path) -> None:
    """Make a project of the page's examples: each names its file in its first line."""
    for language, block in re.findall(r"^```(toml|python|sh)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE):
        name = "assets.toml" if language == "toml" else re.match(r"# ([\w/]+\.\w+)\n", block)[1]  # type: ignore[index]
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(block, encoding="utf-8")
    shutil.copy(DOCS / "reporters/report.sh", folder / "scripts/report.sh")


def test_the_examples_run_and_are_fresh_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    write_project(tmp_path)
    result = materialize(find_project(tmp_path))
    assert result.failures == []
    assert (result.made, result.blocked) == (8, 0)
    assert plan(find_project(tmp_path)).stale == 0
    with reading(find_project(tmp_path)) as published, published.connect() as connection:
        assert published.ask(connection, "SELECT days FROM totals")[1] == [(3,)]
        assert published.ask(connection, "SELECT DISTINCT mode FROM model")[1] == [("fast",)]
        assert published.ask(connection, "SELECT value FROM deployed")[1] == [('"release 7"',)]


def test_the_page_names_every_placeholder_and_format() -> None:
    for name in (
        "partition",
        "partition_start",
        "partition_end",
        "dimension.",
        "input.",
        "inputs.",
        "output",
        "report",
    ):
        assert f"`{{{name}" in TEXT
    for name in FORMATS:
        assert f'"{name}"' in TEXT
