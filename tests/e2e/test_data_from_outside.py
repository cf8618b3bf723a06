"""Is data that is made elsewhere observed as it is: absent, present, changed, a file, a folder, a function?"""

from __future__ import annotations

import re

import pytest
from command import Project

ASSETS = """
    from pathlib import Path

    import polars as pl
    from assets_core import DailyPartitions, Partition, asset, external

    DAYS = DailyPartitions("2024-01-01", "2024-01-04")
    external("feed", path="landing/{partition}.csv", partitions=DAYS)

    @asset(partitions=DAYS)
    def days(feed: pl.LazyFrame) -> pl.LazyFrame:
        return feed

    @asset()
    def total(days: pl.LazyFrame) -> pl.LazyFrame:
        return days.select(pl.col("n").sum())

    @asset()
    def independent() -> pl.DataFrame:
        return pl.DataFrame({"n": [1]})
"""


def test_a_file_that_is_not_there_blocks_its_readers_and_is_made_when_it_appears(project: Project) -> None:
    project.define(ASSETS)
    for day in ("2024-01-01", "2024-01-03"):
        project.write(f"landing/{day}.csv", "n\n1\n")
    plan = {
        (step["asset"], step["partition"]): step["blocked"] for step in project.must("plan", "--json").value["steps"]
    }
    assert plan == {
        ("days", "2024-01-01"): False,
        ("days", "2024-01-02"): True,
        ("days", "2024-01-03"): False,
        ("total", None): True,
        ("independent", None): False,
    }
    outcome = project.run("materialize")
    assert outcome.code == 1
    lines = outcome.err.splitlines()[1:]
    assert re.search(r"blocked: 1 cell of days: \S+@2024-01-02 .*is not there", lines[0])
    assert "blocked: 1 cell of total: " in lines[1]
    assert project.made() == {"days@2024-01-01", "days@2024-01-03", "independent"}
    told = project.must("explain", "days@2024-01-02")
    assert "  reads feed@2024-01-02, missing: 2024-01-02" in told.out.splitlines()
    project.write("landing/2024-01-02.csv", "n\n5\n")
    before = project.tail
    project.must("materialize")
    assert project.made(behind=before) == {"days@2024-01-02", "total"}
    assert project.query("FROM total") == [{"n": 7}]


def test_a_file_that_goes_away_leaves_what_was_made_of_it_and_blocks_its_renewal(project: Project) -> None:
    project.define(ASSETS)
    for n in (1, 2, 3):
        project.write(f"landing/2024-01-0{n}.csv", "n\n1\n")
    project.must("materialize")
    (project.root / "landing" / "2024-01-02.csv").unlink()
    outcome = project.run("materialize")
    assert project.query("FROM total") == [{"n": 3}]
    assert project.made() == {"days@2024-01-01", "days@2024-01-02", "days@2024-01-03", "total", "independent"}
    status = {row["asset"]: row for row in project.must("status", "--json").value}
    assert status["days"]["stale"] == 1
    assert outcome.code == 1
    assert re.search(r"blocked: 1 cell of days: \S+@2024-01-02 .*is not there", outcome.err)


def test_every_known_ending_is_read_and_an_unknown_one_is_refused_with_the_remedy(project: Project) -> None:
    project.define(
        """
        import polars as pl
        from assets_core import asset, external

        for ending in ("csv", "parquet", "ndjson", "jsonl", "arrow", "xml"):
            external(f"in_{ending}", path=f"data/in.{ending}")

        @asset()
        def from_csv(in_csv: pl.DataFrame) -> pl.DataFrame: return in_csv
        @asset()
        def from_parquet(in_parquet: pl.DataFrame) -> pl.DataFrame: return in_parquet
        @asset()
        def from_ndjson(in_ndjson: pl.DataFrame) -> pl.DataFrame: return in_ndjson
        @asset()
        def from_jsonl(in_jsonl: pl.DataFrame) -> pl.DataFrame: return in_jsonl
        @asset()
        def from_arrow(in_arrow: pl.DataFrame) -> pl.DataFrame: return in_arrow
        @asset()
        def from_xml(in_xml: pl.DataFrame) -> pl.DataFrame: return in_xml
        """
    )
    import polars as pl

    frame = pl.DataFrame({"n": [1, 2]})
    data = project.root / "data"
    data.mkdir()
    frame.write_csv(data / "in.csv")
    frame.write_parquet(data / "in.parquet")
    frame.write_ndjson(data / "in.ndjson")
    frame.write_ndjson(data / "in.jsonl")
    frame.write_ipc(data / "in.arrow")
    (data / "in.xml").write_text("<n/>")
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert outcome.err.count("failed: ") == 1
    assert f"failed: from_xml: nothing says how to read {data}/in.xml" in outcome.err
    assert "remedy: give read=..." in outcome.err
    for ending in ("csv", "parquet", "ndjson", "jsonl", "arrow"):
        assert project.query(f"FROM from_{ending}") == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("ending", ["csv", "ndjson"])
def test_a_partition_whose_key_looks_like_a_pattern_reads_its_own_file_alone(project: Project, ending: str) -> None:
    project.define(
        f"""
        import polars as pl
        from assets_core import StaticPartitions, asset, external

        KEYS = StaticPartitions(["a*", "ab", "[ab]"])
        external("feed", path="landing/{{partition}}.{ending}", partitions=KEYS)

        @asset(partitions=KEYS)
        def cleaned(feed: pl.LazyFrame) -> pl.LazyFrame:
            return feed
        """
    )
    for n, key in enumerate(["a*", "ab", "[ab]"]):
        project.write(f"landing/{key}.{ending}", f"n\n{n}\n" if ending == "csv" else f'{{"n": {n}}}\n')
    project.must("materialize")
    for n, key in enumerate(["a*", "ab", "[ab]"]):
        assert project.must("show", "cleaned", "--partition", key, "--json").value["first"] == [{"n": n}]


def test_a_folder_is_one_source_that_changes_with_any_file_in_it(project: Project) -> None:
    project.define(
        """
        import polars as pl
        from assets_core import asset, external

        external("folder", path="parts", read=lambda path: pl.scan_csv(path / "**/*.csv"))

        @asset()
        def whole(folder: pl.LazyFrame) -> pl.LazyFrame:
            return folder.select(pl.col("n").sum())
        """
    )
    project.write("parts/a.csv", "n\n1\n")
    project.write("parts/deep/b.csv", "n\n2\n")
    project.must("materialize")
    assert project.query("FROM whole") == [{"n": 3}]
    assert project.must("materialize").err == "nothing to do: 1 cell fresh\n"
    project.write("parts/deep/c.csv", "n\n4\n")
    project.must("materialize")
    assert project.query("FROM whole") == [{"n": 7}]
    (project.root / "parts" / "a.csv").rename(project.root / "parts" / "z.csv")
    assert project.must("plan", "--json").value["stale"] == 1


VERSIONED = """
    from pathlib import Path

    import polars as pl
    from assets_core import DailyPartitions, Partition, asset, external

    HERE = Path("{root}")
    DAYS = DailyPartitions("2024-01-01", "2024-01-03")

    def version(partition: Partition):
        return eval((HERE / partition.key).read_text())

    def read(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({{"day": [partition.key]}})

    external("table", partitions=DAYS, version=version, read=read)

    @asset(partitions=DAYS)
    def days(table: pl.DataFrame) -> pl.DataFrame:
        return table
"""


@pytest.fixture
def versioned(project: Project) -> Project:
    project.define(VERSIONED.format(root=project.root))
    project.write("2024-01-01", "'first'")
    project.write("2024-01-02", "'first'")
    return project


def test_a_version_function_says_what_is_there_and_none_says_that_it_is_not(versioned: Project) -> None:
    versioned.write("2024-01-02", "None")
    outcome = versioned.run("materialize")
    assert outcome.code == 1
    assert re.search(r"blocked: 1 cell of days: \S+@2024-01-02 .*is not there", outcome.err)
    assert versioned.made() == {"days@2024-01-01"}
    versioned.write("2024-01-02", "'first'")
    assert versioned.must("materialize", "--json").value["made"] == 1
    assert versioned.must("materialize").err == "nothing to do: 2 cells fresh\n"
    versioned.write("2024-01-01", "'second'")
    (step,) = versioned.must("plan", "--json").value["steps"]
    assert (step["partition"], step["causes"]) == (
        "2024-01-01",
        [{"kind": "source_changed", "upstream": "table", "partitions": ["2024-01-01"]}],
    )


@pytest.mark.parametrize(
    ("answer", "what", "code"),
    [
        ("1 / 0", "the version of table@2024-01-02 could not be asked: ZeroDivisionError: division by zero", 1),
        ("3", "returned 3 for table@2024-01-02", 2),
        ("''", "returned '' for table@2024-01-02", 2),
    ],
)
def test_a_version_function_that_raises_or_gives_no_text_is_named_with_its_place(
    versioned: Project, answer: str, what: str, code: int
) -> None:
    versioned.write("2024-01-02", answer)
    for command in ("plan", "materialize", "status"):
        outcome = versioned.run(command)
        assert (outcome.code, outcome.out) == (code, "")
        assert what in outcome.err
        assert "(definitions/assets.py:15)" in outcome.err
        assert "remedy: " in outcome.err
        assert "Traceback" not in outcome.err
    assert versioned.journal == []


def test_a_version_function_without_a_reader_is_for_waiting_only(project: Project) -> None:
    project.define(
        """
        import polars as pl
        from assets_core import asset, external

        external("gate", version=lambda: "open")

        @asset(after=["gate"])
        def behind() -> pl.DataFrame:
            return pl.DataFrame({"n": [1]})

        @asset()
        def reads(gate: pl.DataFrame) -> pl.DataFrame:
            return gate
        """
    )
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert project.made() == {"behind"}
    assert "failed: reads: an external asset with a version function has no read function" in outcome.err


def test_a_changed_reader_reads_again_what_has_not_changed(project: Project) -> None:
    project.define(
        """
        import polars as pl
        from assets_core import asset, external

        SEPARATOR = ","

        def read(path):
            return pl.scan_csv(path, separator=SEPARATOR)

        external("feed", path="feed.csv", read=read)

        @asset()
        def cleaned(feed: pl.LazyFrame) -> pl.LazyFrame:
            return feed
        """
    )
    project.write("feed.csv", "a;b,c\n1;2,3\n")
    project.must("materialize")
    assert project.query("FROM cleaned") == [{"a;b": "1;2", "c": 3}]
    project.edit("assets.py", '","', '";"')
    project.must("materialize")
    assert project.query("FROM cleaned") == [{"a": 1, "b,c": "2,3"}]


def test_a_source_that_changes_while_it_is_read_fails_the_step(project: Project) -> None:
    project.define(
        """
        import polars as pl
        from assets_core import asset, external

        def read(path):
            frame = pl.read_csv(path)
            path.write_text("n\\n2\\n")
            return frame

        external("feed", path="feed.csv", read=read)

        @asset()
        def cleaned(feed: pl.LazyFrame) -> pl.LazyFrame:
            return feed
        """
    )
    project.write("feed.csv", "n\n1\n")
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert "feed.csv changed while it was read" in outcome.err
    assert project.records("published") == []


def test_an_external_asset_is_explained_but_not_shown(project: Project) -> None:
    project.define(ASSETS)
    project.write("landing/2024-01-01.csv", "n\n1\n")
    told = project.must("explain", "feed@2024-01-01", "--json").value
    assert (told["kind"], told["state"]) == ("external", "fresh")
    assert project.must("explain", "feed@2024-01-02", "--json").value["state"] == "missing"
    outcome = project.run("show", "feed")
    assert outcome.code == 2
    assert "feed is external: its data is elsewhere" in outcome.err
    assert {row[0] for row in project.must("status").rows} == {"days", "independent", "total"}


@pytest.mark.parametrize("path", ["landing/{partition}/{oops}.csv", "landing/{}.csv", "landing/{partition.csv"])
def test_a_path_with_a_placeholder_that_means_nothing_is_refused(project: Project, path: str) -> None:
    project.define(ASSETS.replace("landing/{partition}.csv", path))
    outcome = project.run("plan")
    assert outcome.code == 2
    assert path in outcome.err
    assert "{partition}" in outcome.err
