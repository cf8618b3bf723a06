"""Steps without data: does a function that returns a plain value make an asset whose version is that value?"""

from __future__ import annotations

import pytest
from command import Project

HEAD = """
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Annotated, Any, TypedDict

    import polars as pl
    from assets_core import (
        DailyPartitions, MonthlyPartitions, Partition, StaticPartitions, TimeWindow, Upstream, asset, check, external,
        sql_asset,
    )

    DAYS = DailyPartitions("2024-01-01", "2024-01-04")
"""
NOTIFY = (
    HEAD
    + """
    @asset()
    def report() -> pl.DataFrame:
        return pl.DataFrame({"amount": [1, 2]})

    @asset()
    def notify(report: pl.DataFrame) -> str:
        return f"sent {report.height} rows"

    @asset()
    def receipt(notify: str) -> pl.DataFrame:
        return pl.DataFrame({"said": [notify]})

    @asset(after=[notify])
    def later() -> pl.DataFrame:
        return pl.DataFrame({"n": [1]})
"""
)


def test_a_function_that_returns_a_text_is_an_asset_of_that_text(project: Project) -> None:
    project.define(NOTIFY)
    project.must("materialize")
    assert project.query("FROM receipt") == [{"said": "sent 2 rows"}]
    assert project.query("FROM notify") == [{"value": '"sent 2 rows"'}]
    assert project.must("materialize").err == "nothing to do: 4 cells fresh\n"
    project.must("materialize", "receipt", "--force")  # the value is read from the store
    assert project.query("FROM receipt") == [{"said": "sent 2 rows"}]


def test_a_step_is_run_again_only_if_its_inputs_changed_and_an_equal_value_stops_there(project: Project) -> None:
    project.define(NOTIFY)
    project.must("materialize")
    before = project.tail
    project.edit("assets.py", "[1, 2]", "[3, 4]")
    project.must("materialize")
    assert project.made(behind=before) == {"report", "notify"}
    before = project.tail
    project.edit("assets.py", "[3, 4]", "[3, 4, 5]")
    project.must("materialize")
    assert project.made(behind=before) == {"report", "notify", "receipt"}
    assert project.query("FROM receipt") == [{"said": "sent 3 rows"}]


def test_every_kind_of_value_is_handed_on_as_it_was_returned(project: Project) -> None:
    kinds = {
        "text": ("str", "'tea \\u00e9 \\0 \"'"),
        "whole": ("int", "2**80"),
        "number": ("float", "-0.0"),
        "flag": ("bool", "True"),
        "nothing": ("None", "None"),
        "maybe": ("str | None", "None"),
        "listed": ("Sequence[float | None]", "[0.1, None, 1e300]"),
        "table": ("dict[str, Any]", "{'b': {'c': []}, 'a': [True, 1, 1.0]}"),
        "bare": ("dict", "{}"),
        "mapped": ("Mapping[str, int]", "{'x': 1}"),
        "typed": ("Answer", "{'code': 200, 'body': 'ok'}"),
    }
    project.define(
        HEAD
        + "\n    class Answer(TypedDict):\n        code: int\n        body: str\n"
        + "".join(
            f"""
    @asset()
    def {name}() -> {annotation}:
        return {value}

    @asset()
    def {name}_seen({name}: {annotation}) -> str:
        assert repr({name}) == repr({value}) or isinstance({name}, dict) and {name} == {value}
        return repr({name})
"""
            for name, (annotation, value) in kinds.items()
        )
    )
    project.must("materialize")
    assert project.must("materialize").err == f"nothing to do: {2 * len(kinds)} cells fresh\n"


def test_values_of_partitions_are_read_one_by_one_or_as_a_table(project: Project) -> None:
    project.define(
        HEAD
        + """
    @asset(partitions=DAYS)
    def sent(partition: Partition) -> dict[str, str]:
        return {"day": partition.key}

    @asset(partitions=DAYS)
    def same_day(sent: dict[str, str], partition: Partition) -> bool:
        return sent["day"] == partition.key

    @asset(partitions=DAYS)
    def day_before(
        sent: Annotated[dict[str, str] | None, Upstream(mapping=TimeWindow(last=1, offset=-1))], partition: Partition
    ) -> str:
        return "none" if sent is None else sent["day"]

    @asset(partitions=DAYS)
    def count(count: Annotated[int | None, Upstream(mapping=TimeWindow(last=1, offset=-1))]) -> int:
        return 1 if count is None else count + 1

    @asset()
    def rows(sent: pl.DataFrame) -> pl.DataFrame:
        return sent

    @asset()
    def by_key(sent: Mapping[str, pl.DataFrame]) -> list[str]:
        return list(sent)

    sql_asset("days", "SELECT value::JSON ->> '$.day' AS day FROM sent")
"""
    )
    project.must("materialize")
    days = ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert project.query("SELECT DISTINCT value FROM same_day") == [{"value": "true"}]
    assert [row["value"] for row in project.query("FROM day_before ORDER BY value DESC")] == [
        '"none"',
        '"2024-01-02"',
        '"2024-01-01"',
    ]
    assert [row["value"] for row in project.query("FROM count ORDER BY value")] == ["1", "2", "3"]
    assert [row["value"] for row in project.query("FROM rows")] == [f'{{"day":"{day}"}}' for day in days]
    assert project.query("FROM by_key") == [{"value": '["2024-01-01","2024-01-02","2024-01-03"]'}]
    assert [row["day"] for row in project.query("FROM days")] == days


def test_a_batch_makes_a_value_for_each_partition_and_one_that_fails_is_one_cell(project: Project) -> None:
    project.define(
        HEAD
        + """
    @asset(partitions=DAYS, batch=True)
    def sent(days: Sequence[Partition]) -> Iterator[tuple[str, str | Exception]]:
        for day in days:
            yield day.key, ValueError("no answer") if day.key == "2024-01-02" else f"sent {day.key}"

    @asset(partitions=DAYS)
    def seen(sent: str) -> str:
        return sent
"""
    )
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert "failed: sent@2024-01-02: ValueError: no answer" in outcome.err
    assert project.made() == {f"{asset}@2024-01-0{n}" for asset in ("sent", "seen") for n in (1, 3)}
    assert project.query("FROM seen ORDER BY value") == [{"value": f'"sent 2024-01-0{n}"'} for n in (1, 3)]


def test_a_value_is_judged_by_checks_before_it_is_published(project: Project) -> None:
    project.define(
        HEAD
        + """
    @asset()
    def answer() -> dict[str, int]:
        return {"code": 500}

    @check(answer)
    def is_ok(answer: dict[str, int]) -> bool:
        return answer["code"] == 200

    @check(answer)
    def is_one_row(answer: pl.DataFrame) -> bool:
        return answer.height == 1
"""
    )
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert "failed: answer: check 'is_ok' of asset 'answer' returned False" in outcome.err
    project.edit("assets.py", '"code": 500', '"code": 200')
    project.must("materialize")
    assert project.query("FROM answer") == [{"value": '{"code":200}'}]


@pytest.mark.parametrize(
    ("annotation", "returned", "message"),
    [
        (
            "str",
            'pl.DataFrame({"n": [1]})',
            "what the function returned is a polars.dataframe.frame.DataFrame, where its annotation",
        ),
        ("float", "float('nan')", "what the function returned is nan, which JSON does not have"),
        ("dict[str, Any]", "{'at': [Partition]}", "what the function returned at ['at'][0] is a type"),
        ("pl.DataFrame", "'sent'", "the function returned a builtins.str, which is not a table"),
        ("pl.DataFrame", "{'a': 1}", "the function returned a builtins.dict, which is not a table"),
    ],
)
def test_a_result_that_is_not_what_was_annotated_is_one_clear_error(
    project: Project, annotation: str, returned: str, message: str
) -> None:
    project.define(f"{HEAD}\n    @asset()\n    def wrong() -> {annotation}:\n        return {returned}\n")
    outcome = project.run("materialize")
    assert outcome.code == 1
    assert f"failed: wrong: {message}" in outcome.err
    assert outcome.err.count("failed: ") == 1
    assert project.made() == set()


WRONG = (
    HEAD
    + """
    @asset()
    def table() -> pl.DataFrame: ...

    @asset(partitions=DAYS)
    def daily() -> str: ...

    @asset()
    def reads_table(table: str) -> str: ...

    @asset()
    def reads_all(daily: str) -> str: ...

    @asset(partitions=DAYS)
    def reads_two(daily: Annotated[str, Upstream(mapping=TimeWindow(last=2))]) -> str: ...

    @asset(partitions=MonthlyPartitions("2024-01-01", "2024-02-01"))
    def month(daily: str) -> str: ...

    @asset(partitions=DAYS)
    def columns(daily: Annotated[str, Upstream(columns=["value"])]) -> str: ...

    source = external("source", version=lambda: "1", read=lambda _: None)

    @asset()
    def outside(source: dict[str, int]) -> str: ...

    @check(table)
    def judged(table: str) -> bool: ...

    @asset()
    def tuples(table: tuple[int, str]) -> str: ...
"""
)


def test_whoever_reads_a_value_where_there_is_none_is_told_when_the_project_is_loaded(project: Project) -> None:
    path = project.define(WRONG)
    outcome = project.run("materialize")
    assert outcome.code == 2
    lines = path.read_text().splitlines()
    for name, message in {
        "reads_table": "parameter 'table' is annotated with a plain type, but table makes a table",
        "reads_all": "parameter 'daily' is annotated with a plain type, but reads many partitions of daily",
        "reads_two": "parameter 'daily' is annotated with a plain type, but reads many partitions of daily",
        "month": "parameter 'daily' is annotated with a plain type, but reads many partitions of daily",
        "columns": "parameter 'daily' is annotated with a plain type, but columns=['value'] are named of it",
        "outside": "parameter 'source' is annotated with a plain type, but source makes a table",
        "judged": "check judged is annotated with a plain type, but table makes a table",
        "tuples": "parameter 'table' of tuples() is annotated tuple[int, str], which says nothing about how to",
    }.items():
        line = next(number for number, text in enumerate(lines) if f"def {name}(" in text)  # that of the decorator
        where = f"definitions/assets.py:{line}: "
        assert f"{where}{name}: " in outcome.err or name in ("judged", "tuples")
        assert any(where in text and message in text for text in outcome.err.splitlines()), (name, outcome.err)
    assert "8 definition errors" in outcome.err
    assert "annotate it pl.DataFrame (a row each), or Mapping[str, pl.DataFrame] (by partition key)" in outcome.err


def test_what_a_function_makes_is_part_of_its_code(project: Project) -> None:
    project.define(HEAD + "\n    @asset()\n    def one(n: int = 1) -> int:\n        return n\n")
    project.must("materialize")
    project.edit("assets.py", "-> int", "-> object")
    outcome = project.run("materialize")
    assert "the function returned a builtins.int, which is not a table" in outcome.err
    assert "annotate" in outcome.err
