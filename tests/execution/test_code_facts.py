"""The parts of every code version are recorded once, and read back with their texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from assets_core.execution.code_facts import code_fact, unrecorded_code
from assets_core.model.code_part import CodePart
from assets_core.model.keys import AssetKey
from assets_core.project import Project, find_project
from assets_core.versions.code import code_digest
from assets_core.versions.code_changes import compare
from catalog.journal import Journal
from catalog.queries import load
from catalog.session import Catalog

RULES = "RATE = 2\n\n\ndef doubled(value):\n    return value * RATE\n"
ASSETS = """
import polars as pl
from assets_core import asset, external, sql_asset
from definitions.rules import doubled

@asset()
def numbers() -> pl.DataFrame:
    return pl.DataFrame({"n": [doubled(1)]})

total = sql_asset("total", "SELECT sum(n) AS n FROM numbers WHERE n > $least", parameters={"least": 0})
landed = external("landed", path="landed.csv")
"""


def define(folder: Path, rules: str = RULES) -> Project:
    (folder / "definitions").mkdir(exist_ok=True)
    (folder / "assets.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    (folder / "definitions/rules.py").write_text(rules, encoding="utf-8")
    (folder / "definitions/assets.py").write_text(ASSETS, encoding="utf-8")
    return find_project(folder.resolve())


def record(project: Project) -> list[str]:
    """Do what a run does when it begins; return the assets whose code was recorded."""
    facts = unrecorded_code(project)
    journal = Journal(project.state / "journal", {"user": "test"})
    journal.append(facts)
    journal.close()
    return sorted(payload["asset"] for _, payload in facts)


def asked(project: Project, name: str, **params: object) -> list[tuple[str, ...]]:
    with Catalog(project.state).read() as connection:
        return connection.sql(load(name), params=params).fetchall()


def recorded(project: Project, asset: str, version: str) -> Sequence[CodePart]:
    rows = asked(project, "code_parts", assets=[asset], code_versions=[version])
    assert all(row[:2] == (asset, version) for row in rows)
    return [CodePart(*row[2:]) for row in rows]


def test_what_is_recorded_is_not_recorded_again(tmp_path: Path) -> None:
    project = define(tmp_path)
    assert record(project) == ["landed", "numbers", "total"]
    assert unrecorded_code(project) == []
    assert unrecorded_code(find_project(project.root)) == []
    assert sorted(asked(project, "recorded_code")) == sorted(
        (key, asset.code_version) for key, asset in project.graph.assets.items()
    )


def test_the_recorded_parts_are_those_of_the_project(tmp_path: Path) -> None:
    project = define(tmp_path)
    record(project)
    for key, asset in project.graph.assets.items():
        parts = recorded(project, key, asset.code_version)
        assert tuple(parts) == project.code_parts(key)
        assert code_digest(parts) == asset.code_version


def test_an_edit_is_recorded_with_the_texts_that_are_new_and_told_from_the_records(tmp_path: Path) -> None:
    project = define(tmp_path)
    record(project)
    before = project.graph.assets[AssetKey("numbers")].code_version
    project = define(tmp_path, RULES.replace("RATE = 2", "RATE = 3"))
    [(kind, payload)] = unrecorded_code(project)
    assert (kind, payload["asset"]) == ("code", "numbers")
    assert {name for _, name, _, text in payload["parts"] if text is not None} == {"definitions.rules:RATE"}
    assert record(project) == ["numbers"]
    now = project.graph.assets[AssetKey("numbers")].code_version
    assert asked(project, "code_versions", assets=["numbers"]) == [("numbers", before), ("numbers", now)]
    [change] = compare(recorded(project, "numbers", before), recorded(project, "numbers", now))
    assert (change.kind, change.name, change.before, change.now) == (
        "global",
        "definitions.rules:RATE",
        "RATE = 2",
        "RATE = 3",
    )
    assert recorded(project, "numbers", "unheard of") == []


def test_going_back_to_recorded_code_records_nothing(tmp_path: Path) -> None:
    record(define(tmp_path))
    record(define(tmp_path, RULES.replace("RATE = 2", "RATE = 3")))
    assert unrecorded_code(define(tmp_path)) == []


def test_a_text_that_is_known_is_left_out(tmp_path: Path) -> None:
    project = define(tmp_path)
    asset = project.graph.assets[AssetKey("total")]
    parts = project.code_parts(asset.key)
    known = {part.digest for part in parts if part.kind == "query"}
    kind, payload = code_fact(asset, parts, known)
    assert (kind, payload["code_version"]) == ("code", asset.code_version)
    assert [text is None for part_kind, _, _, text in payload["parts"]] == [part.kind == "query" for part in parts]
    assert {part_kind for part_kind, _, _, _ in payload["parts"]} == {"interface", "parameter", "query"}


def test_retention_keeps_what_code_was_made_of(tmp_path: Path) -> None:
    project = define(tmp_path)
    record(project)
    params = {"last": 4, "before": "9999-01-01", "data_since": "9999-01-01", "versions": 0}
    [(droppable,)] = asked(project, "droppable_records", **params)
    assert droppable is None
