"""Do keys that are added and removed at run time make cells come and go, and is each change recorded once?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Project, ended

from assets_core import add_partitions, partitions_of, remove_partitions
from assets_core.errors import SelectionError
from assets_core.project import find_project

ASSETS = """
    import polars as pl
    from assets_core import AllPartitions, DynamicPartitions, Partition, Upstream, asset
    from typing import Annotated

    SHOPS = DynamicPartitions("shops")

    @asset(partitions=SHOPS)
    def sales(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"shop": [partition.key], "n": [len(partition.key)]})

    @asset(partitions=SHOPS)
    def cleaned(sales: pl.DataFrame) -> pl.DataFrame:
        return sales

    @asset()
    def total(cleaned: Annotated[pl.DataFrame, Upstream(mapping=AllPartitions())]) -> pl.DataFrame:
        return cleaned.sort("shop")

    @asset()
    def other() -> pl.DataFrame:
        return pl.DataFrame({"n": [1]})
"""
HOSTILE = ["ü|x", "a/b", "..", "x" * 300, "a,b", "a..b", "-x", "' OR 1=1 --", "a@b", " ", "e\u0301", "é"]


@pytest.fixture
def shops(project: Project) -> Project:
    project.define(ASSETS)
    return project


def planned(project: Project, selection: str = "*") -> list[tuple[str, str | None, list[str]]]:
    steps = project.must("plan", selection, "--json").value["steps"]
    return [(step["asset"], step["partition"], [cause["kind"] for cause in step["causes"]]) for step in steps]


def states(project: Project) -> dict[str, tuple[int, int]]:
    rows = project.must("status", "--json").value
    return {row["asset"]: (row["cells"], row["fresh"]) for row in rows}


def test_before_there_is_a_key_there_is_no_cell(shops: Project) -> None:
    assert [asset for asset, *_ in planned(shops)] == ["other", "total"]
    assert states(shops)["sales"] == (0, 0)
    assert shops.must("partitions", "list", "--json").value == [
        {"set": "shops", "count": 0, "generation": 0, "assets": ["sales", "cleaned"]}
    ]


def test_keys_that_come_are_made_and_keys_that_go_are_gone_until_they_come_again(shops: Project) -> None:
    assert shops.must("partitions", "add", "shops", "b", "a").err == "2 keys added, 0 were there (record 2)\n"
    assert planned(shops, "sales") == [("sales", "b", ["missing"]), ("sales", "a", ["missing"])]
    shops.must("materialize")
    assert shops.made() == {"sales@a", "sales@b", "cleaned@a", "cleaned@b", "total", "other"}
    assert shops.must("materialize").err == "nothing to do: 6 cells fresh\n"

    before = shops.tail
    shops.must("partitions", "add", "shops", "c")
    assert planned(shops, "total") == [("total", None, ["input_changed"])]
    shops.must("materialize")
    assert shops.made(behind=before) == {"sales@c", "cleaned@c", "total"}
    assert [row["shop"] for row in shops.query("FROM total")] == ["a", "b", "c"]

    before = shops.tail
    assert shops.must("partitions", "remove", "shops", "a", "--json").value["removed"] == ["a"]
    assert states(shops)["sales"] == (2, 2)
    assert planned(shops) == [("total", None, ["input_changed"])]
    assert shops.run("explain", "sales@a").code == 2
    assert [row["shop"] for row in shops.query("FROM sales ORDER BY shop")] == ["b", "c"]
    shops.must("materialize")
    assert shops.made(behind=before) == {"total"}
    assert [row["shop"] for row in shops.query("FROM total")] == ["b", "c"]

    before = shops.tail
    shops.must("partitions", "add", "shops", "a")
    assert states(shops)["sales"] == (3, 3)
    assert planned(shops, "sales or cleaned") == []
    shops.must("materialize")
    assert shops.made(behind=before) == {"total"}
    assert shops.must("partitions", "list", "shops").out == "key\nb\nc\na\n"


def test_adding_what_is_there_writes_nothing(shops: Project) -> None:
    shops.must("partitions", "add", "shops", "a")
    before = shops.tail
    again = shops.must("partitions", "add", "shops", "a", "a", "--json").value
    assert again == {"set": "shops", "added": [], "unchanged": 1, "record": None}
    assert shops.must("partitions", "remove", "shops", "b").err == "0 keys removed, 1 were not there\n"
    assert shops.tail == before
    shops.must("partitions", "add", "shops", "a", "b")
    assert shops.records("partitions_added", behind=before) == [{"set": "shops", "keys": ["b"]}]


def test_keys_of_any_text_are_cells_of_their_own(shops: Project) -> None:
    assert shops.process("partitions", "add", "shops", "--", *HOSTILE).code == 0
    assert [key for _, key, _ in planned(shops, "sales")] == HOSTILE
    shops.must("materialize", "+total")
    assert {row["shop"] for row in shops.query("FROM total")} == set(HOSTILE)
    for key in HOSTILE:
        assert shops.must("explain", f"cleaned@{key}", "--json").value["state"] == "fresh"
        assert shops.must("show", "sales", f"--partition={key}", "--json").value["first"][0]["shop"] == key
    shops.must("catalog", "rebuild")
    assert shops.must("plan", "+total").err == f"nothing to do: {2 * len(HOSTILE) + 1} cells fresh\n"
    assert shops.run("audit", "verify").code == 0
    data = [path for path in (shops.root / ".assets/data").rglob("*") if path.is_file()]
    assert all(path.name.removesuffix(".parquet").isalnum() for path in data)


@pytest.mark.parametrize("key", ["", "a\nb", "a\0b", "\x1b[31mred", "\udc80"])
def test_a_key_that_is_empty_or_has_control_characters_is_refused(shops: Project, key: str) -> None:
    found = find_project(shops.root)
    with pytest.raises(SelectionError) as refused:
        add_partitions(found, "shops", ["good", key])
    assert refused.value.remedy
    assert partitions_of(found, "shops").keys == ()


def test_a_set_that_no_asset_has_is_refused_with_the_nearest_one(shops: Project) -> None:
    outcome = shops.run("partitions", "add", "shop", "a")
    assert outcome.code == 2
    assert "no asset has dynamic partitions 'shop' (did you mean 'shops'?)" in outcome.err
    assert shops.run("partitions", "list", "shop").code == 2
    assert not (shops.root / ".assets/journal").exists()


def test_keys_are_read_from_the_standard_input_one_a_line(shops: Project) -> None:
    process = shops.start("partitions", "add", "shops", "first", "-", "--json", stdin=-1)
    out, err = process.communicate("b c\r\n\nü\n", timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["added"] == ["first", "b c", "ü"]


def test_of_two_processes_that_add_the_same_key_one_does(shops: Project) -> None:
    keys = [f"key {number}" for number in range(50)]
    processes = [shops.start("partitions", "add", "shops", *keys, f"own {each}", "--json") for each in range(3)]
    changes = [ended(process).value for process in processes]
    added = [key for change in changes for key in change["added"]]
    assert sorted(added) == sorted([*keys, "own 0", "own 1", "own 2"])
    assert sum(len(record["keys"]) for record in shops.records("partitions_added")) == 53


def test_a_sensor_is_a_function_that_adds_keys(shops: Project, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "new shop").touch()
    found = find_project(shops.root)
    for _ in range(2):
        add_partitions(found, "shops", sorted(path.name for path in landing.iterdir()))
    known = partitions_of(found, "shops")
    assert (known.keys, known.generation, known.assets) == (("new shop",), 0, ("sales", "cleaned"))
    removed = remove_partitions(found, "shops", ["new shop"])
    assert partitions_of(found, "shops").generation == removed.seq


def test_data_as_of_an_earlier_record_is_that_of_the_keys_of_then(shops: Project) -> None:
    shops.must("partitions", "add", "shops", "a", "b")
    shops.must("materialize")
    then = str(shops.tail)
    shops.must("partitions", "remove", "shops", "a")
    shops.must("partitions", "add", "shops", "c")
    shops.must("materialize")
    assert [row["shop"] for row in shops.query("FROM sales ORDER BY shop")] == ["b", "c"]
    past = shops.must("query", "FROM sales ORDER BY shop", "--as-of", then, "--json").value
    assert [row["shop"] for row in past] == ["a", "b"]


def test_lineage_goes_on_where_a_dimension_of_a_product_is_dynamic(project: Project) -> None:
    project.define("""
        import polars as pl
        from assets_core import DailyPartitions, DynamicPartitions, Partition, ProductPartitions, asset

        DAYS = DailyPartitions("2024-01-01", "2024-01-03")

        @asset(partitions=ProductPartitions(day=DAYS, place=DynamicPartitions("places")))
        def sales(partition: Partition) -> pl.DataFrame:
            return pl.DataFrame({"key": [partition.key]})

        @asset()
        def total(sales: pl.DataFrame) -> pl.DataFrame:
            return sales
    """)
    project.must("partitions", "add", "places", "eu", "us")
    assert project.must("materialize", "--json").value["made"] == 5
    assert len(project.must("lineage", "events").out.splitlines()) == 12
