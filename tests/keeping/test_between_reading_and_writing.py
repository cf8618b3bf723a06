"""What another process writes after the index was read and before it is our turn: is it seen, and heeded?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assets_core.execution.actor import open_journal
from assets_core.keeping import collect as collecting
from assets_core.keeping import rollback as rolling
from assets_core.keeping.collect import Kept, collect
from assets_core.keeping.rollback import roll_back
from assets_core.materialize import look, materialize
from assets_core.project import Project, find_project
from catalog.errors import CatalogBusy
from catalog.segments import read

ASSETS = """
import polars as pl
from assets_core import asset

@asset()
def one() -> pl.DataFrame:
    return pl.DataFrame({{"n": [{n}]}})

@asset()
def other() -> pl.DataFrame:
    return pl.DataFrame({{"n": [{n}, {n}]}})
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of which every asset had the versions 1, 2 and 3."""
    (tmp_path / "definitions").mkdir()
    (tmp_path / "assets.toml").write_text("[project]\nname = 'between'\n", encoding="utf-8")
    for n in (1, 2, 3):
        (tmp_path / "definitions/assets.py").write_text(ASSETS.format(n=n), encoding="utf-8")
        materialize(find_project(tmp_path))
    return find_project(tmp_path)


def versions(project: Project, asset: str) -> list[str]:
    records = read(project.state / "journal")
    return [r.payload["version"] for r in records if r.kind == "materialized" and r.payload["asset"] == asset]


def write(project: Project, kind: str, payload: dict[str, Any]) -> None:
    journal = open_journal(project)
    journal.append([(kind, payload)])
    journal.close()


def then(function: Callable[..., Any], project: Project, kind: str, payload: dict[str, Any]) -> Callable[..., Any]:
    """Return a function after which another process has written a record."""

    def first(*arguments: Any) -> Any:
        found = function(*arguments)
        write(project, kind, payload)
        return found

    return first


def kinds(project: Project) -> list[str]:
    return [record.kind for record in read(project.state / "journal")]


@pytest.mark.parametrize(
    ("kind", "after"),
    [("published", "look"), ("published", "_moves"), ("rolled_back", "_moves"), ("collected", "_moves")],
)
def test_a_pointer_that_moved_or_a_file_that_went_meanwhile_refuses_the_rollback(
    project: Project, kind: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = versions(project, "one")
    payloads: dict[str, dict[str, Any]] = {
        "published": {"run": "r", "cells": [["one", None, second, ""]]},
        "rolled_back": {"cells": [["one", None, second]], "to": second, "reason": None},
        "collected": {"versions": [["one", first, f"one/{first}.parquet"]], "reason": "old"},
    }
    monkeypatch.setattr(rolling, after, then(getattr(rolling, after), project, kind, payloads[kind]))
    with pytest.raises(CatalogBusy, match="nothing was rolled back"):
        roll_back(project, "one", first[:8], datetime.now(UTC))
    assert kinds(project)[-1] == kind


def test_what_happens_to_other_cells_meanwhile_does_not_matter(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = {"cells": [["other", None, versions(project, "other")[0]]], "to": "first", "reason": None}
    monkeypatch.setattr(rolling, "look", then(look, project, "rolled_back", moved))
    assert roll_back(project, "one", versions(project, "one")[0][:8], datetime.now(UTC)).seq is not None


def test_a_version_that_became_current_meanwhile_is_not_collected(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = versions(project, "one")
    moved = {"cells": [["one", None, first]], "to": first, "reason": None}
    monkeypatch.setattr(collecting, "_found", then(collecting._found, project, "rolled_back", moved))
    removed = {one.version for one in collect(project, Kept(0, 1), datetime.now(UTC))}
    assert removed == {second, *versions(project, "other")[:2]}


def test_a_version_that_became_current_after_it_was_decided_upon_is_not_removed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = versions(project, "one")
    moved = {"cells": [["one", None, first]], "to": first, "reason": None}
    monkeypatch.setattr(collecting, "_FILES_A_TURN", 1)
    opened = open_journal

    class Interrupted:
        """The journal of this process; another one writes between what was decided and what is removed."""

        def __init__(self, *arguments: Any) -> None:
            self._journal = opened(*arguments)
            self._turns = 0

        def turn(self, decide: Any) -> Any:
            self._turns += 1
            if self._turns == 2:
                write(project, "rolled_back", moved)
            return self._journal.turn(decide)

        def close(self) -> None:
            self._journal.close()

    monkeypatch.setattr(collecting, "open_journal", Interrupted)
    removed = {one.version for one in collect(project, Kept(0, 1), datetime.now(UTC))}
    assert first in {
        v for r in read(project.state / "journal") if r.kind == "collected" for _, v, _ in r.payload["versions"]
    }
    assert removed == {second, *versions(project, "other")[:2]}
    assert (project.state / f"data/one/{first}.parquet").exists()


def test_a_file_that_another_process_collects_meanwhile_is_recorded_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = versions(project, "one")
    gone = {"versions": [["one", first, f"one/{first}.parquet"]], "reason": "old"}
    monkeypatch.setattr(collecting, "_found", then(collecting._found, project, "collected", gone))
    collect(project, Kept(0, 1), datetime.now(UTC))
    recorded = [
        v for r in read(project.state / "journal") if r.kind == "collected" for _, v, _ in r.payload["versions"]
    ]
    assert recorded.count(first) == 1
    assert len(recorded) == 4
    assert len(list((project.state / "data").rglob("*.parquet"))) == 2
