"""Is each cause of staleness told by every command that tells one, in words and as JSON, with what is known of it?

A small project is made, one thing is changed, and `plan`, `plan --explain`, `plan --json`, `explain`, `explain --json`
are read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from command import SETTINGS, Project

from assets_core import materialize as story
from assets_core.materialize import look
from assets_core.model.keys import AssetKey
from assets_core.planning.staleness import Cause
from assets_core.project import find_project

ASSETS = """
    from typing import Annotated

    import pandera.polars as pa
    import polars as pl
    from assets_core import DailyPartitions, Partition, TimeWindow, Upstream, asset, check, external, sql_asset
    from definitions.steps import scaled

    DAYS = DailyPartitions("2024-01-01", "2024-01-04")
    external("raw", path="landing/{partition}.csv", partitions=DAYS)
    external("rates", version=lambda: "march", read=lambda _: pl.DataFrame({"rate": [1.5]}))

    class Rows(pa.DataFrameModel):
        n: int = pa.Field(ge=0)

    @asset(partitions=DAYS, schema=Rows)
    def cleaned(raw: pl.LazyFrame, floor: int = 0) -> pl.LazyFrame:
        return scaled(raw.filter(pl.col("n") >= floor))

    @asset(partitions=DAYS)
    def other(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"n": [0]})

    @asset(partitions=DAYS)
    def doubled(cleaned: pl.LazyFrame) -> pl.LazyFrame:
        return cleaned.with_columns(pl.col("n") * 2)

    sql_asset("total", "SELECT sum(n) AS n FROM doubled")

    @asset(expires_after="1h")
    def report(total: pl.DataFrame) -> pl.DataFrame:
        return total

    @asset()
    def priced(rates: pl.DataFrame) -> pl.DataFrame:
        return rates
"""
STEPS = """
    import polars as pl
    from definitions.constants import FACTOR

    def scaled(frame):
        return frame.with_columns(pl.col("n") * FACTOR)
"""
ALL_DAYS = "2024-01-01..2024-01-03"
DAY = "2024-01-02"


@pytest.fixture
def unmade(project: Project) -> Project:
    project.define(ASSETS)
    project.define(STEPS, "steps.py")
    project.define("FACTOR = 2\n", "constants.py")
    for number in (1, 2, 3):
        project.write(f"landing/2024-01-0{number}.csv", f"n\n{number}\n")
    return project


@pytest.fixture
def made(unmade: Project) -> Project:
    unmade.must("materialize")
    return unmade


def told(project: Project, cell: str, ranges: str, words: str, *options: str) -> dict[str, Any]:
    """Assert that every command tells a cause of a cell in the same words; return its JSON, which is the same too.

    The words follow the upstream's partitions where there are some, which `--explain` gives lines of their own.
    """
    asset = cell.partition("@")[0]
    rows = {tuple(row[:1] + row[2:3]): row[3] for row in project.must("plan", *options).rows}
    assert words in rows[asset, ranges].split("; "), rows
    groups = project.must("plan", "--json", *options).value["groups"]
    (group,) = [each for each in groups if (each["asset"], ", ".join(each["ranges"])) == (asset, ranges)]
    kind = words.partition(":")[0].replace(" ", "_")
    kind = kind if kind in {cause.kind for cause in Cause} else "rolled_back"
    found: dict[str, Any] = next(cause for cause in group["causes"] if cause["kind"] == kind)
    lines = [line.strip() for line in project.must("plan", "--explain", *options).out.splitlines()]
    texts = [*found.get("partitions", ()), *found.get("diff", ())]
    place = next(number for number, line in enumerate(lines) if line.startswith(_without_partitions(words, found)))
    behind = lines[place + 1 :]
    assert behind[: len(texts)] == [text.strip() for text in texts]
    if options:  # `explain` takes none: what it tells is without
        return found
    explained = project.must("explain", cell)
    assert explained.out.splitlines()[0].endswith(": missing" if kind == "missing" else ": stale")
    inner = project.must("explain", cell, "--json").value["causes"]
    assert [each["kind"] for each in inner] == [each["kind"] for each in group["causes"]]
    (own,) = [each for each in inner if each["kind"] == kind and each.get("upstream") == found.get("upstream")]
    assert own.keys() - {"columns"} == found.keys()  # columns are looked up where all is asked for
    assert "  because " + kind.replace("_", " ") in explained.out
    for line in own.get("diff", ()):
        assert f"    {line}" in explained.out.splitlines()
    return found


def _without_partitions(words: str, found: dict[str, Any]) -> str:
    if not found.get("partitions"):
        return words
    shown = "@" + ", ".join(found["partitions"])
    assert shown in words
    return words.replace(shown, "", 1)


def file_of(project: Project, cell: str) -> Path:
    stored: str = project.must("explain", cell, "--json").value["stored"]
    return project.root / ".assets/data" / stored


def test_every_cause_has_a_test_here_that_is_named_for_it() -> None:
    for cause in Cause:
        assert [name for name in globals() if name.startswith(f"test_{cause.kind}_")], cause


def test_every_cause_is_on_the_page_of_causes_in_a_row_of_its_own() -> None:
    page = (Path(__file__).parents[2] / "docs/causes.md").read_text(encoding="utf-8")
    told_of = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `") and line.count(" | ") == 3]
    assert sorted(told_of) == sorted(cause.kind for cause in Cause)


def test_missing_is_told_of_what_was_never_made(unmade: Project) -> None:
    assert told(unmade, f"cleaned@{DAY}", ALL_DAYS, "missing") == {"kind": "missing"}


def test_code_changed_in_the_function_itself(made: Project) -> None:
    made.edit("assets.py", 'pl.col("n") * 2)', 'pl.col("n") * 3)')
    found = told(made, f"doubled@{DAY}", ALL_DAYS, "code changed: definitions.assets:doubled")
    assert found["parts"] == [{"kind": "function", "name": "definitions.assets:doubled", "change": "changed"}]
    assert {
        "-    return cleaned.with_columns(pl.col('n') * 2)",
        "+    return cleaned.with_columns(pl.col('n') * 3)",
    } <= set(found["diff"])


def test_code_changed_in_a_function_of_another_module(made: Project) -> None:
    made.edit("steps.py", 'pl.col("n") * FACTOR', 'FACTOR * pl.col("n")')
    found = told(made, f"cleaned@{DAY}", ALL_DAYS, "code changed: definitions.steps:scaled")
    assert "+    return frame.with_columns(FACTOR * pl.col('n'))" in found["diff"]


def test_code_changed_in_a_constant_two_modules_away(made: Project) -> None:
    made.edit("constants.py", "FACTOR = 2", "FACTOR = 3")
    found = told(made, f"cleaned@{DAY}", ALL_DAYS, "code changed: definitions.constants:FACTOR")
    assert found["parts"] == [{"kind": "global", "name": "definitions.constants:FACTOR", "change": "changed"}]
    assert {"-FACTOR = 2", "+FACTOR = 3"} <= set(found["diff"])


def test_code_changed_in_a_query(made: Project) -> None:
    made.edit("assets.py", "SELECT sum(n)", "SELECT max(n)")
    found = told(made, "total", "", "code changed: query")
    assert {"-SELECT SUM ( n ) AS n", "+SELECT MAX ( n ) AS n"} <= set(found["diff"])


def test_parameter_changed_names_the_parameter_and_its_values(made: Project) -> None:
    made.write("assets.toml", SETTINGS + '[parameters."cleaned"]\nfloor = 1\n')
    found = told(made, f"cleaned@{DAY}", ALL_DAYS, "parameter changed: floor (added)")
    assert "+floor = 1" in found["diff"]
    made.must("materialize")
    made.write("assets.toml", SETTINGS + '[parameters."cleaned"]\nfloor = 2\n')
    found = told(made, f"cleaned@{DAY}", ALL_DAYS, "parameter changed: floor")
    assert {"-floor = 1", "+floor = 2"} <= set(found["diff"])


def install(folder: Path, version: str) -> None:
    """Make a folder of the search path hold a distribution in one version, as pip would."""
    for old in folder.glob("*.dist-info"):
        (old / "METADATA").unlink()
        old.rmdir()
    info = folder / f"abacus-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: abacus\nVersion: {version}\n", encoding="utf-8")


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Path]:
    """A folder of installed distributions on the search path, of which the rest is left to the projects."""
    folder = tmp_path / "installed"
    install(folder, "1.4.0")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def test_library_changed_names_the_library_and_its_versions(unmade: Project, installed: Path) -> None:
    unmade.edit("assets.py", '@asset(expires_after="1h")', '@asset(expires_after="1h", libraries=["abacus"])')
    unmade.must("materialize")
    assert unmade.must("plan").err == "nothing to do: 12 cells fresh\n"
    install(installed, "1.5.0")
    found = told(unmade, "report", "", "library changed: abacus")
    assert {"-abacus 1.4.0", "+abacus 1.5.0"} <= set(found["diff"])
    before = unmade.tail
    unmade.must("materialize")
    assert unmade.made(behind=before) == {"report"}


def test_contract_changed_judges_again_and_makes_nothing(made: Project) -> None:
    made.edit("assets.py", "ge=0", "ge=-1")
    assert told(made, f"cleaned@{DAY}", ALL_DAYS, "contract changed: contract") == {
        "kind": "contract_changed",
        "checks": [{"name": "contract", "change": "changed"}],
    }
    assert {step["asset"] for step in made.must("plan", "--json").value["steps"]} == {"cleaned"}
    before = made.tail
    made.must("materialize")
    assert made.made(behind=before) == set()
    assert made.must("plan", "--json").value["stale"] == 0


def test_input_changed_names_the_upstream_and_the_partitions(made: Project) -> None:
    made.edit("constants.py", "FACTOR = 2", "FACTOR = 3")
    made.must("materialize", "cleaned", "--partitions", DAY)
    found = told(made, f"doubled@{DAY}", DAY, f"input changed: cleaned@{DAY}", "doubled")
    assert (found["upstream"], found["partitions"]) == ("cleaned", [DAY])
    line = f"  because input changed: cleaned@{DAY} (columns n)"
    assert line in made.must("explain", f"doubled@{DAY}").out.splitlines()
    assert "    input changed: cleaned (columns n)" in made.must("plan", "doubled", "--explain").out.splitlines()
    (cause,) = made.must("explain", f"doubled@{DAY}", "--json").value["causes"]
    assert cause["columns"] == ["n"]


def test_source_changed_where_a_file_is_another_one(made: Project) -> None:
    made.write(f"landing/{DAY}.csv", "n\n77\n")
    found = told(made, f"cleaned@{DAY}", DAY, f"source changed: raw@{DAY}")
    assert found == {"kind": "source_changed", "upstream": "raw", "partitions": [DAY]}


def test_source_changed_where_a_file_is_gone_and_the_cell_is_blocked(made: Project) -> None:
    (made.root / f"landing/{DAY}.csv").unlink()
    (row,) = made.must("plan").rows
    assert row[3] == f"source changed: raw@{DAY} (blocked: 1, as raw@{DAY} (landing/{{partition}}.csv) is not there)"
    (step,) = made.must("plan", "--json").value["steps"]
    assert (step["causes"][0]["kind"], step["blocked"]) == ("source_changed", True)
    assert f"  reads raw@{DAY}, missing: {DAY}" in made.must("explain", f"cleaned@{DAY}").out.splitlines()
    made.write(f"landing/{DAY}.csv", "n\n2\n")
    assert made.must("plan", "--json").value["stale"] == 0


def test_source_changed_where_a_version_function_says_so(made: Project) -> None:
    made.edit("assets.py", '"march"', '"april"')
    found = told(made, "priced", "", "source changed: rates")
    assert found == {"kind": "source_changed", "upstream": "rates", "partitions": []}


def test_inputs_rewired_to_another_upstream(made: Project) -> None:
    made.edit("assets.py", "(cleaned: pl.LazyFrame)", '(cleaned: Annotated[pl.LazyFrame, Upstream("other")])')
    found = told(made, f"doubled@{DAY}", ALL_DAYS, "inputs rewired: other is declared anew")
    assert found["upstream"] == "other"


def test_inputs_rewired_by_another_mapping(made: Project) -> None:
    """The first day has no day before it: it reads what it read, and is fresh."""
    window = "Annotated[pl.LazyFrame, Upstream(mapping=TimeWindow(last=2))]"
    made.edit("assets.py", "(cleaned: pl.LazyFrame)", f"(cleaned: {window})")
    found = told(made, f"doubled@{DAY}", "2024-01-02..2024-01-03", "inputs rewired: cleaned is declared anew")
    assert found["change"] == "declared anew"


def test_inputs_rewired_where_an_input_comes_and_goes(made: Project) -> None:
    made.edit("assets.py", "(cleaned: pl.LazyFrame)", "(cleaned: pl.LazyFrame, other: pl.LazyFrame)")
    told(made, f"doubled@{DAY}", ALL_DAYS, "inputs rewired: other is declared anew")
    made.must("materialize")
    made.edit("assets.py", "(cleaned: pl.LazyFrame, other: pl.LazyFrame)", "(cleaned: pl.LazyFrame)")
    found = told(made, f"doubled@{DAY}", ALL_DAYS, "inputs rewired: other is no longer read")
    assert (found["upstream"], found["change"]) == ("other", "no longer read")


def test_output_drifted_where_the_file_was_deleted(made: Project) -> None:
    file_of(made, f"cleaned@{DAY}").unlink()
    assert told(made, f"cleaned@{DAY}", DAY, "output drifted")["kind"] == "output_drifted"


def test_output_drifted_where_bytes_are_others_though_size_and_time_are_not(made: Project) -> None:
    file = file_of(made, f"cleaned@{DAY}")
    data, times = file.read_bytes(), file.stat()
    data = data.replace(b"PAR1", b"PAR2")
    file.write_bytes(data)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)
    told(made, f"cleaned@{DAY}", DAY, "output drifted")


def test_output_drifted_where_the_file_was_cut_off(made: Project) -> None:
    os.truncate(file_of(made, "report"), 30)
    told(made, "report", "", "output drifted")
    before = made.tail
    made.must("materialize")
    assert made.made(behind=before) == {"report"}
    assert made.must("plan", "--json").value["stale"] == 0


def test_output_drifted_is_not_told_of_a_file_that_was_only_touched(made: Project) -> None:
    os.utime(file_of(made, f"cleaned@{DAY}"))
    assert made.must("plan", "--json").value["stale"] == 0


def test_expired_is_told_an_hour_later_and_not_a_second_before(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    published = max(datetime.fromisoformat(r["at"]) for r in made.journal if r["kind"] == "published")
    project = find_project(made.root)

    def expired(after: timedelta) -> bool:
        return bool(look(project, published + after).world.states[AssetKey("report")].cells.expired.any())

    assert not expired(timedelta(minutes=59))
    assert expired(timedelta(minutes=61))

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # of the plain kind
            return datetime.now(UTC).astimezone(tz) + timedelta(hours=2)

    monkeypatch.setattr(story, "datetime", Later)
    found = told(made, "report", "", "expired: it was made more than 3600 s ago")
    assert found == {"kind": "expired", "after_seconds": 3600}


def test_rolled_back_is_told_beside_what_it_brought_back(made: Project) -> None:
    position = made.tail
    made.edit("constants.py", "FACTOR = 2", "FACTOR = 3")
    made.must("materialize")
    made.must("rollback", f"cleaned@{DAY}", "--to", str(position), "--reason", "a bad day")
    record = made.tail
    found = told(made, f"cleaned@{DAY}", DAY, f"rolled back by record {record}: a bad day")
    assert found == {"kind": "rolled_back", "record": record, "reason": "a bad day"}


def test_forced_is_told_of_what_was_asked_for_and_is_fresh(made: Project) -> None:
    assert told(made, "total", "", "forced", "total", "--force") == {"kind": "forced"}
    assert made.must("explain", "total", "--json").value["state"] == "fresh"


def test_unknown_names_the_value_and_the_cell_is_never_fresh(unmade: Project) -> None:
    unmade.define(
        """
        import threading

        import polars as pl
        from assets_core import asset

        def bound_to(client):
            @asset()
            def fetched() -> pl.DataFrame:
                return pl.DataFrame({"n": [hash(client) * 0]})

        bound_to(threading.Lock())
        """,
        "fetched.py",
    )
    unmade.must("materialize")
    (step,) = unmade.must("plan", "--json").value["steps"]
    (cause,) = step["causes"]
    assert cause["values"]
    names = ", ".join(cause["values"])
    found = told(unmade, "fetched", "", f"unknown: the content of {names} cannot be determined")
    assert found == cause
    assert "client" in names


def test_upstream_will_run_names_the_root_through_three_levels(made: Project) -> None:
    made.edit("constants.py", "FACTOR = 2", "FACTOR = 3")
    roots = [{"asset": "cleaned", "kind": "code_changed"}]
    found = told(made, "report", "", "upstream will run: total, since cleaned: code changed")
    assert found == {"kind": "upstream_will_run", "upstream": "total", "partitions": [], "roots": roots}
    provisional = {step["asset"]: step["provisional"] for step in made.must("plan", "--json").value["steps"]}
    assert provisional == {"cleaned": False, "doubled": True, "total": True, "report": True}


def test_upstream_will_run_is_explained_down_to_the_root(made: Project) -> None:
    made.edit("constants.py", "FACTOR = 2", "FACTOR = 3")
    lines = made.must("explain", "report").out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("  because"))
    assert lines[place : place + 4] == [
        "  because upstream will run: total, since cleaned: code changed",
        f"    total: upstream will run: doubled@{ALL_DAYS}, since cleaned: code changed",
        f"      doubled@{ALL_DAYS}: upstream will run: cleaned@{ALL_DAYS}, since cleaned: code changed",
        f"        cleaned@{ALL_DAYS}: code changed: definitions.constants:FACTOR",
    ]
    facts = made.must("explain", "report", "--json").value
    chain: list[str] = []
    while facts["upstream"]:
        (facts,) = facts["upstream"]
        chain.append(facts["asset"])
    assert chain == ["total", "doubled", "cleaned"]
    assert facts["causes"][0]["kind"] == "code_changed"
