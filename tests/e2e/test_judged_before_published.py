"""Is data that fails its contract or a check kept from readers, with the rows named, and everything else made?"""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Project

ASSETS = """
    import pandera.polars as pa
    import polars as pl
    from assets_core import CheckResult, asset, check, check_result, external

    external("prices_file", path="prices.csv")

    class Price(pa.DataFrameModel):
        product: str
        price: float = pa.Field(gt=0)

    @asset(schema=Price)
    def prices(prices_file: pl.LazyFrame) -> pl.LazyFrame:
        return prices_file

    @asset()
    def dearest(prices: pl.LazyFrame) -> pl.LazyFrame:
        return prices.select(pl.col("price").max())

    @asset()
    def report(dearest: pl.LazyFrame) -> pl.LazyFrame:
        return dearest

    @asset()
    def products(prices_file: pl.LazyFrame) -> pl.LazyFrame:
        return prices_file.select("product")
"""


def deliver(project: Project, *lines: str) -> Path:
    return project.write("prices.csv", "\n".join(["product,price", *lines, ""]))


@pytest.fixture
def made(project: Project) -> Project:
    """The prices with everything made."""
    project.define(ASSETS)
    deliver(project, "tea,4.5", "milk,1.5")
    project.must("materialize")
    return project


def kinds(project: Project, behind: int) -> list[str]:
    return [record["kind"] for record in project.journal if record["seq"] > behind]


def test_a_failing_contract_publishes_nothing_and_the_last_good_version_stays_readable(made: Project) -> None:
    before = made.tail
    deliver(made, "tea,4.5", "milk,-1.5", "salt,0.0")
    outcome = made.run("materialize", "--json")
    assert outcome.code == 1
    assert {name: outcome.value[name] for name in ("made", "fresh", "failed", "blocked")} == {
        "made": 1,
        "fresh": 0,
        "failed": 1,
        "blocked": 2,
    }
    assert [cell[0] for record in made.records("published", behind=before) for cell in record["cells"]] == ["products"]
    assert made.query("FROM prices ORDER BY product") == [
        {"product": "milk", "price": 1.5},
        {"product": "tea", "price": 4.5},
    ]
    assert made.query("FROM dearest") == [{"price": 4.5}]
    assert made.query("SELECT count(*) AS n FROM products") == [{"n": 3}]
    assert list((made.root / ".assets" / "staging").iterdir()) == []


def test_the_message_of_a_failing_contract_names_the_rows_and_comes_before_the_numbers(made: Project) -> None:
    deliver(made, "tea,4.5", "milk,-1.5", "salt,0.0")
    lines = made.run("materialize").err.splitlines()[1:]
    assert lines[0] == "failed: prices: contract 'contract': 2 failures, 2 of 3 rows failed"
    assert lines[1] == "    column 'price': greater_than(0) failed in 2 rows: row 1 (-1.5), row 2 (0.0)"
    assert lines[2:4] == ["blocked: 1 cell of dearest: prices failed", "blocked: 1 cell of report: prices failed"]
    assert lines[4].startswith("1 cell made, 0 fresh, 1 failed, 2 blocked in ")
    judged = made.records("judged")[-1]
    assert (judged["check"], judged["severity"]) == ("contract", "error")
    assert (judged["passed"], judged["failed_rows"]) == (False, 2)
    assert judged["failures"] == [
        {"column": "price", "check": "greater_than(0)", "row": 1, "value": "-1.5"},
        {"column": "price", "check": "greater_than(0)", "row": 2, "value": "0.0"},
    ]


def test_a_failed_cell_is_shown_as_failed_with_its_reason_until_it_is_made(made: Project) -> None:
    deliver(made, "tea,-4.5")
    assert made.run("materialize").code == 1
    status = {row["asset"]: row for row in made.must("status", "--json").value}
    assert status["prices"] == {"asset": "prices", "cells": 1, "fresh": 0, "stale": 0, "missing": 0, "failed": 1}
    assert status["dearest"]["failed"] == 0
    told = made.must("explain", "prices", "--json").value
    assert told["state"] == "failed"
    assert told["failure"]["error"] == "CheckFailed"
    assert "row 0 (-4.5)" in told["failure"]["message"]
    assert made.must("list", "state:failed", "--json").value[0]["asset"] == "prices"
    assert made.run("materialize").code == 1  # tried again, and failed again
    deliver(made, "tea,5.5")
    made.must("materialize")
    assert made.query("FROM report") == [{"price": 5.5}]
    assert made.must("explain", "prices", "--json").value["state"] == "fresh"
    assert made.must("explain", "prices", "--json").value["failure"] is None


def test_a_contract_of_severity_warn_publishes_and_says_so(made: Project) -> None:
    made.edit("assets.py", "@asset(schema=Price)", '@asset(schema=Price, severity="warn")')
    deliver(made, "tea,-4.5")
    outcome = made.run("materialize")
    assert outcome.code == 0
    (warning,) = [line for line in outcome.err.splitlines() if line.startswith("warning: ")]
    assert warning == "warning: prices: contract 'contract': 1 failure, 1 of 1 row failed"
    assert "row 0 (-4.5)" in outcome.err
    assert made.query("FROM prices") == [{"product": "tea", "price": -4.5}]
    assert made.must("materialize").err == "nothing to do: 4 cells fresh\n"


def test_an_edited_contract_judges_again_without_making_anew(made: Project) -> None:
    made.edit("assets.py", "pa.Field(gt=0)", "pa.Field(gt=1)")
    (step,) = made.must("plan", "--json").value["steps"]
    assert (step["asset"], step["causes"]) == (
        "prices",
        [{"kind": "contract_changed", "checks": [{"name": "contract", "change": "changed"}]}],
    )
    before = made.tail
    outcome = made.must("materialize", "--json").value
    assert (outcome["made"], outcome["fresh"]) == (1, 3)
    written = kinds(made, before)
    assert "materialized" not in written
    assert (written.count("judged"), written.count("published")) == (1, 1)
    assert made.must("materialize").err == "nothing to do: 4 cells fresh\n"


def test_an_edited_contract_that_the_data_breaks_fails_the_cell_and_leaves_its_data(made: Project) -> None:
    made.edit("assets.py", "pa.Field(gt=0)", "pa.Field(gt=2)")
    before = made.tail
    outcome = made.run("materialize")
    assert outcome.code == 1
    assert "row 1 (1.5)" in outcome.err
    assert not {"materialized", "published"} & set(kinds(made, before))
    assert made.query("SELECT count(*) AS n FROM prices") == [{"n": 2}]
    made.edit("assets.py", "pa.Field(gt=2)", "pa.Field(gt=0)")
    assert made.run("materialize").code == 0


def test_a_missing_column_and_a_changed_type_are_named_with_what_was_expected(made: Project) -> None:
    made.write("prices.csv", "prodct,price\ntea,cheap\n")
    outcome = made.run("materialize", "prices")
    assert outcome.code == 1
    assert "column 'product': missing, expected String (did you mean 'prodct'?)" in outcome.err
    assert "column 'price': expected Float64, found String" in outcome.err


CHECKS = """
    import pandera.polars as pa
    import polars as pl
    import pyarrow
    from assets_core import CheckResult, asset, check, check_result

    @asset()
    def numbers() -> pl.DataFrame:
        return pl.DataFrame({{"number": [1, 2, 3]}})

    @check(numbers, severity="warn")
    def as_bool(numbers: pl.DataFrame) -> bool:
        return bool((numbers["number"] > {limit}).all())

    @check("numbers", severity="warn")
    def as_result(data: pl.LazyFrame) -> CheckResult:
        low = data.filter(pl.col("number") <= {limit}).collect().height
        return check_result(low == 0, f"{{low}} numbers are low", low=low)

    @check(numbers, severity="warn")
    def as_schema(numbers: pyarrow.Table) -> pa.DataFrameSchema:
        return pa.DataFrameSchema({{"number": pa.Column(int, pa.Check.gt({limit}))}})

    @check(numbers, severity="warn")
    def as_nothing(numbers: pl.DataFrame) -> None:
        return None

    @check(numbers, severity="warn")
    def as_error(numbers: pl.DataFrame) -> bool:
        raise ValueError("no verdict")
"""


def test_checks_may_answer_with_a_bool_a_result_with_metrics_or_a_schema(project: Project) -> None:
    project.define(CHECKS.format(limit=1))
    outcome = project.must("materialize")
    verdicts = {record["check"]: record for record in project.records("judged")}
    assert verdicts.keys() == {"as_bool", "as_result", "as_schema", "as_nothing", "as_error"}
    assert not any(verdict["passed"] for verdict in verdicts.values())
    assert verdicts["as_bool"]["message"] == "check 'as_bool' of asset 'numbers' returned False"
    assert (verdicts["as_result"]["message"], verdicts["as_result"]["metrics"]) == ("1 numbers are low", {"low": 1})
    assert verdicts["as_schema"]["failed_rows"] == 1
    assert "row 0 (1)" in verdicts["as_schema"]["message"]
    assert "returned None" in verdicts["as_nothing"]["message"]
    assert "raised ValueError at" in verdicts["as_error"]["message"]
    assert "definitions/assets.py:29: no verdict" in verdicts["as_error"]["message"]
    assert outcome.err.count("warning: numbers: ") == 5


def test_checks_that_pass_say_nothing_and_are_recorded(project: Project) -> None:
    project.define(CHECKS.format(limit=0).partition('    @check(numbers, severity="warn")\n    def as_nothing')[0])
    assert "warning" not in project.must("materialize").err
    assert {record["check"]: record["passed"] for record in project.records("judged")} == {
        "as_bool": True,
        "as_result": True,
        "as_schema": True,
    }
    told = project.must("explain", "numbers").out
    assert "  check as_result passed" in told.splitlines()


def test_a_failing_check_of_severity_error_blocks_publishing_and_a_new_check_is_judged_on_old_data(
    project: Project,
) -> None:
    numbers = """
        import polars as pl
        from assets_core import asset, check

        @asset()
        def numbers() -> pl.DataFrame:
            return pl.DataFrame({"number": [1, 2, 3]})
    """
    few = """
        @check(numbers)
        def few(numbers: pl.DataFrame) -> bool:
            return numbers.height < 3
    """
    project.define(numbers)
    project.must("materialize")
    project.define(numbers + few)
    before = project.tail
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert "failed: numbers: check 'few' of asset 'numbers' returned False" in outcome.err
    assert not {"materialized", "published"} & set(kinds(project, before))
    project.edit("assets.py", "height < 3", "height < 4")
    before = project.tail
    project.must("materialize")
    assert kinds(project, before).count("published") == 1
    assert "materialized" not in kinds(project, before)


def test_a_function_that_raises_is_shown_with_its_own_file_and_line(project: Project) -> None:
    project.define(
        """
        import polars as pl
        from assets_core import asset
        from definitions.parsing import parse

        @asset()
        def broken() -> pl.DataFrame:
            return parse("x")

        @asset()
        def reader(broken: pl.DataFrame) -> pl.DataFrame:
            return broken

        @asset()
        def independent() -> pl.DataFrame:
            return pl.DataFrame({"a": [1]})
        """
    )
    project.define("def parse(text):\n    return int(text)\n", "parsing.py")
    outcome = project.run("materialize")
    assert outcome.code == 1
    lines = outcome.err.splitlines()
    assert lines[1] == "failed: broken: ValueError: invalid literal for int() with base 10: 'x'"
    assert f'    File "{project.root}/definitions/assets.py", line 7, in broken' in lines
    assert f'    File "{project.root}/definitions/parsing.py", line 2, in parse' in lines
    assert "assets_core/execution" not in outcome.err
    assert "blocked: 1 cell of reader: broken failed" in lines
    assert project.query("FROM independent") == [{"a": 1}]
    assert project.must("runs", "--json").value[0]["state"] == "failed"


def test_a_function_that_returns_no_table_is_told_what_it_may_return(project: Project) -> None:
    project.define(
        """
        import polars as pl
        from assets_core import asset

        @asset()
        def nothing() -> pl.DataFrame:
            pass

        @asset()
        def number() -> pl.DataFrame:
            return 3
        """
    )
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert (
        "failed: nothing: the function returned None, which is not a table\n    remedy: return a polars" in outcome.err
    )
    assert "failed: number: the function returned a builtins.int, which is not a table" in outcome.err
