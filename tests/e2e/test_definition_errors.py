"""Are all wrong definitions of a project reported at once, each with file, line, what is wrong and what to do?"""

from __future__ import annotations

import pytest
from command import Outcome, Project, run_here

WRONG = """
    import datetime
    from typing import Annotated

    import polars as pl
    from assets_core import (
        AllPartitions, DailyPartitions, Identity, MonthlyPartitions, Partition, StaticPartitions, Upstream,
        WeeklyPartitions, asset, check, external, sql_asset,
    )

    DAYS = DailyPartitions("2024-01-01", "2024-02-01")

    @asset()
    def orders() -> pl.DataFrame: ...

    @asset(partitions=DAYS)
    def days() -> pl.DataFrame: ...

    @asset()  # circle
    def circle_a(circle_b: pl.DataFrame) -> pl.DataFrame: ...

    @asset()
    def circle_b(circle_a: pl.DataFrame) -> pl.DataFrame: ...

    @asset()  # unknown upstream
    def typo(oders: pl.DataFrame) -> pl.DataFrame: ...

    @asset(after=["ordrs"])  # unknown upstream in after
    def waits() -> pl.DataFrame: ...

    @asset(partitions=WeeklyPartitions("2024-01-01", "2024-01-29"))
    def weeks() -> pl.DataFrame: ...

    @asset(partitions=MonthlyPartitions("2024-01-01", "2024-02-01"))  # grains that do not align
    def months(weeks: pl.DataFrame) -> pl.DataFrame: ...

    @asset(partitions=StaticPartitions(["eu"]))  # partitions of another kind
    def regions(days: pl.DataFrame) -> pl.DataFrame: ...

    @asset(partitions=DailyPartitions("2023-12-01", "2024-02-01"))  # reaches outside
    def longer(days: pl.DataFrame) -> pl.DataFrame: ...

    @asset(partitions=DAYS)  # impossible mapping
    def mapped(orders: Annotated[pl.DataFrame, Upstream(mapping=Identity())]) -> pl.DataFrame: ...

    @asset()  # no annotation
    def bare(orders) -> pl.DataFrame: ...

    @asset()  # wrong annotation
    def dated(orders: datetime.date) -> pl.DataFrame: ...

    @asset()  # annotation that does not exist
    def misspelled(orders: "pl.DataFrme") -> pl.DataFrame: ...

    @asset(severity="eror")  # severity
    def severe() -> pl.DataFrame: ...

    @asset(batch=True)  # batch
    def batched(orders: pl.DataFrame) -> pl.DataFrame: ...

    @asset(schema=int)  # schema
    def schemed() -> pl.DataFrame: ...

    @asset(key="bad key")  # key
    def keyed() -> pl.DataFrame: ...

    @asset(owners="team:data")  # owners
    def owned() -> pl.DataFrame: ...

    @asset(partitions=DailyPartitions)  # partitions
    def classed() -> pl.DataFrame: ...

    @asset()  # partition parameter
    def single(partition: Partition) -> pl.DataFrame: ...

    @check("ordes")  # check of nothing
    def checked(orders: pl.DataFrame) -> bool: ...

    sql_asset("garbled", "SELECT FROM WHERE")  # sql
    sql_asset("reader", "SELECT * FROM ordesr")  # sql upstream
    external("neither")  # external
    external("placed", path="landing/{partition}.csv")  # path
"""
TWICE = """
    import polars as pl
    from assets_core import asset

    @asset()
    def orders() -> pl.DataFrame: ...
"""
EXPECTED = {
    "# circle": ("circle_a -> circle_b -> circle_a", "remove one of the edges"),
    "# unknown upstream\n": ("asset 'typo' reads 'oders', which does not exist (did you mean 'orders'?)", "correct"),
    "# unknown upstream in after": ("'ordrs', which does not exist (did you mean 'orders'?)", "correct the name"),
    "# grains that do not align": ("months cannot read weeks: monthly UTC partitions do not align", "TimeWindow()"),
    "# partitions of another kind": ("regions cannot read days: static partitions cannot be", "AllPartitions()"),
    "# reaches outside": ("longer cannot read days: partitions from 2023-12-01 to", "give both the same range"),
    "# impossible mapping": ("mapped cannot read orders: Identity() needs partitions", "leave the mapping out"),
    "# no annotation": ("parameter 'orders' of bare() has no annotation", "annotate it with one of polars.LazyFrame"),
    "# wrong annotation": ("parameter 'orders' of dated() is annotated datetime.date", "annotate it with one of"),
    "# annotation that does not exist": ("module 'polars' has no attribute 'DataFrme'", "import the annotated types"),
    "# severity": ("severity='eror'", 'use "error" (blocks publishing) or "warn"'),
    "# batch": ("batched: batch=True is for an asset with partitions", "Sequence[Partition]"),
    "# schema": ("schemed: schema= cannot be used: contract 'contract' is of type type", "DataFrameModel"),
    "# key": ("'bad key' is not an asset key", "letters, digits and _ joined by /"),
    "# owners": ("owned: owners='team:data'", 'owners=["team:data"]'),
    "# partitions\n": ("classed: partitions=<class 'assets_core.", "partitions=DailyPartitions(...)"),
    "# partition parameter": ("single: a Partition parameter needs an asset with partitions", "give partitions="),
    "# check of nothing": ("check checked judges 'ordes', which is not an asset (did you mean 'orders'?)", "name an"),
    "# sql\n": ("syntax error at or near", "correct the query"),
    "# sql upstream": ("asset 'reader' reads 'ordesr', which does not exist (did you mean 'orders'?)", "correct the"),
    "# external": ("neither: an external asset needs a path or a version function", "give one of them"),
    "# path": ("placed: path 'landing/{partition}.csv' does not fit its partitions", "write {partition}"),
}


def errors_of(outcome: Outcome) -> dict[str, tuple[str, str]]:
    """Return what is wrong and the remedy by place, as `assets` prints them."""
    assert (outcome.code, outcome.out) == (2, ""), outcome
    lines = outcome.err.removeprefix("error: ").splitlines()
    assert lines[-1] == f"{(len(lines) - 1) // 2} definition error{'s' if len(lines) > 3 else ''}"
    found: dict[str, tuple[str, str]] = {}
    for place_and_what, remedy in zip(lines[:-1:2], lines[1::2], strict=True):
        place, _, what = place_and_what.partition(": ")
        assert place not in found, "two errors at one place"
        assert remedy.startswith("  remedy: "), remedy
        found[place] = (what, remedy)
    return found


def line_of(project: Project, text: str) -> int:
    source = (project.root / "definitions" / "assets.py").read_text()
    assert source.count(text) == 1, text
    return source[: source.index(text)].count("\n") + 1


@pytest.fixture
def wrong(project: Project) -> Project:
    project.define(WRONG)
    project.define(TWICE, "twice.py")
    return project


def test_every_wrong_definition_is_reported_at_once_with_file_line_and_remedy(wrong: Project) -> None:
    found = errors_of(wrong.run("list"))
    for mark, (what, remedy) in EXPECTED.items():
        place = f"definitions/assets.py:{line_of(wrong, mark)}"
        assert place in found, f"{mark.strip()} is not reported"
        assert what in found[place][0]
        assert remedy in found[place][1]
    orders = line_of(wrong, "def orders") - 1
    what, _ = found.pop("definitions/twice.py:4")
    assert what == f"asset 'orders' is defined twice, at definitions/assets.py:{orders} and at definitions/twice.py:4"
    assert len(found) == len(EXPECTED)


@pytest.mark.parametrize(
    "command",
    [
        ("plan",),
        ("materialize",),
        ("backfill", "*", "--partitions", "2024"),
        ("status",),
        ("explain", "orders"),
        ("show", "orders"),
        ("query", "FROM orders"),
        ("lineage", "orders"),
    ],
)
def test_every_command_refuses_a_wrong_project_and_writes_no_fact(project: Project, command: tuple[str, ...]) -> None:
    project.define(TWICE)
    project.define(TWICE, "twice.py")
    assert errors_of(project.run(*command)).keys() == {"definitions/twice.py:4"}
    assert project.journal == []


FILES: dict[str, tuple[str | bytes, int, str, str]] = {
    "broken.py": ("def broken(:\n    pass\n", 1, "the file is not Python: invalid syntax", "fix the syntax"),
    "raises.py": ("limit = 1\nshare = limit / 0\n", 2, "ZeroDivisionError: division by zero", "make the module"),
    "absent.py": ("import polrs\n", 1, "No module named 'polrs'", "make the module importable"),
    "dated.py": (
        "from assets_core import DailyPartitions\nDAYS = DailyPartitions('2024-13-01')\n",
        2,
        "'2024-13-01' is not a date in a text",
        'write it as "2013-01-31"',
    ),
    "zoned.py": (
        "from assets_core import DailyPartitions\nDAYS = DailyPartitions('2024-01-01', tz='Europe/Berln')\n",
        2,
        "'Europe/Berln' is not a time zone (did you mean 'Europe/Berlin'?)",
        "use an IANA name",
    ),
    "member.sql": ("/* asset\nownes = ['a']\n*/\nSELECT 1\n", 1, "no member 'ownes' (did you mean 'owners'?)", "use"),
    "typed.sql": ("/* asset\nowners = 'a'\n*/\nSELECT 1\n", 1, "member 'owners' of the header is 'a'", "array"),
    "toml.sql": ("/* asset\nowners = ['a']\ngroup = \n*/\nSELECT 1\n", 3, "the header is not TOML", "a member a line"),
    "syntax.sql": ("/* asset\n*/\nSELECT a,\n  b,, c\nFROM good\n", 4, "syntax error at or near", "correct the query"),
    "parts.sql": (
        "/* asset\npartitions = {kind = 'dayly', start = '2024-01-01'}\n*/\nSELECT 1\n",
        1,
        "'dayly' is not a kind of partitions (did you mean 'daily'?)",
        "use one of minute, hourly, daily",
    ),
    "schema.sql": ("/* asset\nschema = 'definitions.good:No'\n*/\nSELECT 1\n", 1, "'definitions.good:No'", "package"),
    "empty.sql": ("/* asset */\n", 1, "there are 0 statements", "write one SELECT"),
    "several.sql": ("/* asset */\nSELECT 1; SELECT 2\n", 1, "there are 2 statements", "write one SELECT"),
    "action.sql": ("/* asset */\nCREATE TABLE t AS SELECT 1\n", 1, "CREATE is not a query", "SELECT"),
    "latin.sql": (b"/* asset */\nSELECT '\xe9'\n", 0, "the file is not UTF-8", "save it so"),
}


def test_a_file_that_cannot_be_read_does_not_hide_what_is_wrong_in_the_others(project: Project) -> None:
    for name, (text, *_) in FILES.items():
        path = project.define("", name)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    project.define(TWICE, "good.py")
    project.define("import polars as pl\nfrom assets_core import asset\n@asset()\ndef late(ordrs: pl.DataFrame): ...\n")
    found = errors_of(project.run("list"))
    for name, (_, line, what, remedy) in FILES.items():
        place = f"definitions/{name}:{line}" if line else f"definitions/{name}"
        assert place in found, f"{place} is not reported"
        assert what in found[place][0]
        assert remedy in found[place][1]
    what, _ = found["definitions/assets.py:3"]
    assert what == "asset 'late' reads 'ordrs', which does not exist (did you mean 'orders'?)"
    assert len(found) == len(FILES) + 1


def test_an_upstream_that_a_broken_file_defines_is_not_called_unknown(project: Project) -> None:
    start = "import polars as pl\nfrom assets_core import asset\n@asset()\n"
    project.define(f"{start}def orders() -> pl.DataFrame: (\n", "a.py")
    project.define(f"{start}def late(orders: pl.DataFrame): ...\n")
    assert errors_of(project.run("list")).keys() == {"definitions/a.py:4"}


@pytest.mark.parametrize(
    ("settings", "what", "remedy"),
    [
        ('[project]\nnam = "x"\n', "[project] has no member 'nam' (did you mean 'name'?)", "use name, definitions"),
        ("[rn]\nthreads = 2\n", "there is no table [rn] (did you mean 'run'?)", "use project, run"),
        ("[run]\nthreads = 0\n", "[run] threads = 0", "give a number above 0"),
        ('[run]\nthreads = "two"\n', "[run] threads = 'two'", "give a number above 0"),
        ("[run]\nthreads = true\n", "[run] threads = True", "give a number above 0"),
        ("[project\n", "the file is not TOML", "correct it there"),
        ('[project]\ndefinitions = "absent"\n', "there is no folder", "make it, or name another one"),
        ('[project]\ndefinitions = "../elsewhere"\n', "/../elsewhere is outside of the project", "name one inside"),
        ('[project]\nname = "x"\n', "/definitions declares an asset", "write @asset() above a function"),
    ],
)
def test_wrong_settings_are_refused_with_the_file_and_the_member(
    project: Project, settings: str, what: str, remedy: str
) -> None:
    project.write("assets.toml", settings)
    (project.root.parent / "elsewhere").mkdir()
    project.define("")
    outcome = project.run("list")
    assert (outcome.code, outcome.out) == (2, "")
    assert "assets.toml: " in outcome.err
    assert what in outcome.err
    assert remedy in outcome.err.rpartition("remedy: ")[2]


def test_settings_may_stand_in_pyproject_and_apply_below_the_project(project: Project) -> None:
    (project.root / "assets.toml").unlink()
    project.write("pyproject.toml", '[tool.assets.project]\ndefinitions = "pipeline"\n')
    project.write("pipeline/nested/orders.py", TWICE)
    assert [row[0] for row in project.must("list").rows] == ["orders"]
    below = run_here("list", "--project", str(project.root / "pipeline" / "nested"))
    assert [row[0] for row in below.rows] == ["orders"]


def test_where_there_is_no_project_the_remedy_says_how_to_make_one(project: Project) -> None:
    (project.root / "assets.toml").unlink()
    outcome = project.run("plan")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"error: no project at {project.root} or above it\n"
        '  remedy: write an assets.toml with [project] name = "...", or name the folder with --project\n'
    )


def test_a_corrected_definition_is_read_anew(project: Project) -> None:
    project.define(TWICE)
    project.define(TWICE, "twice.py")
    errors_of(project.run("list"))
    (project.root / "definitions" / "twice.py").unlink()
    assert [row[0] for row in project.must("list").rows] == ["orders"]
