"""Do partition keys of any text pass through every command unharmed, each its own cell, all files in their place?"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from command import Project, run_here

KEYS = [
    "plain",
    "' OR 1=1 --",
    "; DROP TABLE cell; --",
    '"quoted"',
    "..",
    "../../escape",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a|b",
    "a\\|b",
    "a,b",
    "a..b",
    "a@b",
    "con",
    "trailing.",
    "%2e%2e%2f",
    "${HOME} $(date) `id`",
    "{partition}",
    "[bold]markup[/]",
    "--force",
    "-x",
    " spaces ",
    "line\nbreak",
    "tab\there",
    "nul\0byte",
    "null",
    "x" * 300,
    "emoji 🫖",
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
    "Case",
    "case",
    "\u202eright to left",
    "\x1b[31mred",
]
ASSETS = f"""
    import json

    import polars as pl
    from assets_core import Partition, StaticPartitions, asset, sql_asset

    KEYS = StaticPartitions(json.loads({json.dumps(KEYS)!r}))

    @asset(partitions=KEYS)
    def cells(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({{"key": [partition.key], "letters": [len(partition.key)]}})

    @asset(partitions=KEYS)
    def readers(cells: pl.DataFrame) -> pl.DataFrame:
        return cells

    sql_asset("queried", "SELECT key, $partition_key AS own FROM readers", partitions=KEYS)

    @asset()
    def whole(queried: pl.DataFrame) -> pl.DataFrame:
        return queried
"""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("hostile") / "project")


@pytest.fixture(scope="module")
def made(before: Project) -> Project:
    """A project of such keys with everything made; the plan before that is kept beside it."""
    before.write("assets.toml", '[project]\nname = "hostile"\n')
    before.define(ASSETS)
    (before.root.parent / "plan.json").write_text(before.must("plan", "--json").out, encoding="utf-8")
    before.must("materialize")
    return before


def test_every_key_is_planned_and_made_as_itself(made: Project) -> None:
    plan = json.loads((made.root.parent / "plan.json").read_text(encoding="utf-8"))
    assert [step["partition"] for step in plan["steps"] if step["asset"] == "cells"] == KEYS
    assert [record["partition"] for record in made.records("materialized") if record["asset"] == "queried"] != []
    assert made.made() == {f"{asset}@{key}" for asset in ("cells", "readers", "queried") for key in KEYS} | {"whole"}
    assert made.query("FROM whole") == [{"key": key, "own": key} for key in sorted(KEYS)]
    assert made.must("materialize").err == f"nothing to do: {3 * len(KEYS) + 1} cells fresh\n"


def test_nothing_is_written_outside_of_the_project_and_only_state_beside_the_definitions(made: Project) -> None:
    assert {path.name for path in made.root.parent.iterdir()} == {"project", "plan.json"}
    assert {path.name for path in made.root.iterdir()} <= {"assets.toml", "definitions", ".assets", "__pycache__"}
    data = [path for path in (made.root / ".assets" / "data").rglob("*") if path.is_file()]
    assert len(data) == 3 * len(KEYS) + 1
    assert all(path.name.removesuffix(".parquet").isalnum() for path in data)


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_a_key_can_be_named_in_explain_show_and_force(made: Project, key: str) -> None:
    told = made.must("explain", f"cells@{key}", "--json").value
    assert (told["partition"], told["state"], told["cell"]) == (key, "fresh", f"cells@{key}")
    shown = made.must("show", "cells", f"--partition={key}", "--json").value
    assert shown["first"] == [{"key": key, "letters": len(key)}]


def test_a_key_can_be_given_as_the_range_of_partitions(made: Project) -> None:
    for key in KEYS:  # those with the signs of a range in them too
        plan = made.must("plan", "cells", f"--partitions={key}", "--force", "--json").value
        assert [step["partition"] for step in plan["steps"]] == [key]
    plan = made.must("plan", "cells", "--partitions=plain..; DROP TABLE cell; --, null", "--force", "--json").value
    assert [step["partition"] for step in plan["steps"]] == [*KEYS[:3], "null"]


def test_a_line_of_a_piped_plan_stays_a_line(made: Project) -> None:
    rows = made.must("plan", "cells", "--force").rows
    assert len(rows) == 1
    assert all(len(row) == 4 for row in rows)


def test_events_and_the_catalog_hold_the_keys_as_they_are(made: Project) -> None:
    verified = made.run("audit", "verify")
    assert (verified.code, verified.out) == (0, ""), verified
    text = made.must("lineage", "events").out
    assert all(isinstance(json.loads(line), dict) for line in text.split("\n") if line)
    assert made.must("catalog", "rebuild").code == 0
    assert made.must("plan").err == f"nothing to do: {3 * len(KEYS) + 1} cells fresh\n"


def test_a_key_goes_through_a_shell_and_back(made: Project) -> None:
    for key in ("' OR 1=1 --", "emoji 🫖", unicodedata.normalize("NFD", "é"), "line\nbreak"):
        outcome = made.process("explain", f"cells@{key}", "--json")
        assert outcome.code == 0, outcome.err
        assert outcome.value["partition"] == key


def test_twins_of_unicode_are_two_keys(made: Project) -> None:
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    one, other = (made.must("explain", f"cells@{key}", "--json").value["version"] for key in (composed, decomposed))
    assert one != other


@pytest.mark.parametrize("key", ["..", "../../escape", "/etc/passwd", "a/b", "a\\b"])
def test_a_key_that_would_leave_its_folder_is_refused_in_a_path(project: Project, key: str) -> None:
    project.define(
        f"""
        import json

        import polars as pl
        from assets_core import StaticPartitions, asset, external

        KEYS = StaticPartitions([json.loads({json.dumps(key)!r})])
        external("feed", path="landing/{{partition}}.csv", partitions=KEYS)

        @asset(partitions=KEYS)
        def cleaned(feed: pl.DataFrame) -> pl.DataFrame:
            return feed
        """
    )
    outcome = project.run("materialize")
    assert outcome.code == 2
    assert f"partition key {key!r} of feed cannot be part of a path" in outcome.err


def test_a_product_of_hostile_keys_joins_and_splits_without_loss(project: Project) -> None:
    project.define(
        """
        import polars as pl
        from assets_core import Partition, ProductPartitions, StaticPartitions, asset

        CELLS = ProductPartitions(x=StaticPartitions(["a", "a|b", "\\\\"]), y=StaticPartitions(["b|c", "c", "|"]))

        @asset(partitions=CELLS)
        def cells(partition: Partition) -> pl.DataFrame:
            return pl.DataFrame({"x": [partition.dimensions["x"].key], "y": [partition.dimensions["y"].key]})
        """
    )
    keys = [step["partition"] for step in project.must("plan", "--json").value["steps"]]
    assert len(set(keys)) == 9
    project.must("materialize")
    rows = {(row["x"], row["y"]) for row in project.query("FROM cells")}
    assert rows == {(x, y) for x in ("a", "a|b", "\\") for y in ("b|c", "c", "|")}
    for key in keys:
        assert project.must("explain", f"cells@{key}", "--json").value["partition"] == key


@pytest.mark.parametrize("key", ["flights; rm -rf", "../up", "a b", "é", "", "a//b", "/a", "Straße"])
def test_asset_keys_are_plain_words_and_anything_else_is_refused(project: Project, key: str) -> None:
    project.define(f"import polars as pl\nfrom assets_core import sql_asset\nsql_asset({key!r}, 'SELECT 1 AS n')\n")
    outcome = run_here("list", "--project", str(project.root))
    assert outcome.code == 2
    assert f"{key!r} is not an asset key" in outcome.err


def test_a_project_may_lie_in_a_folder_of_any_name(tmp_path: Path) -> None:
    project = Project(tmp_path / "it's a [project] 🫖 %20;--")
    project.write("assets.toml", '[project]\nname = "odd"\n')
    project.define(
        """
        import polars as pl
        from assets_core import asset, external, sql_asset

        external("feed", path="in.csv")

        @asset()
        def cleaned(feed: pl.LazyFrame) -> pl.LazyFrame:
            return feed

        @asset()
        def again(cleaned: pl.LazyFrame) -> pl.LazyFrame:
            return cleaned

        sql_asset("queried", "SELECT n FROM again")
        """
    )
    project.write("in.csv", "n\n1\n")
    project.must("materialize")
    project.must("materialize", "again or queried", "--force")
    assert project.query("FROM queried") == [{"n": 1}]
    assert project.process("materialize").err == "nothing to do: 3 cells fresh\n"
