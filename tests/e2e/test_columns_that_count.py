"""Where one column of a wide input changes, are exactly its readers made, and does the journal say what was read?

Driven through the command. Values are edited in the code of the input, so that its cell is made anew each time.
"""

from __future__ import annotations

import pytest
from command import Project

NAMES = [f"c{number:02}" for number in range(20)]
VALUES = ", ".join(f'"{name}": {number}' for number, name in enumerate(NAMES))
ASSETS = """
    from typing import Annotated

    import polars as pl
    from assets_core import Upstream, asset, sql_asset

    ROWS = 4
    VALUES = {{VALUES}}

    @asset()
    def wide() -> pl.DataFrame:
        return pl.DataFrame({name: [value * 10 + row % 2 for row in range(ROWS)] for name, value in VALUES.items()})

    sql_asset("selects", "SELECT c00, c01 AS renamed FROM wide")
    sql_asset("filters", "SELECT c00 FROM wide WHERE c02 >= 0")
    sql_asset("joins", "SELECT a.c00 FROM wide AS a JOIN wide AS b ON a.c03 = b.c04")
    sql_asset("groups", "SELECT sum(c00) AS s FROM wide GROUP BY c05")
    sql_asset("sorts", "SELECT c00 FROM wide ORDER BY c06 LIMIT 1")
    sql_asset("counts", "SELECT count(*) AS n FROM wide")
    sql_asset("stars", "SELECT * FROM wide")

    @asset()
    def lazy(wide: pl.LazyFrame) -> pl.LazyFrame:
        return wide.filter(pl.col("c07") >= 0).select("c00", twice=pl.col("c08") * 2)

    @asset()
    def declared(wide: Annotated[pl.DataFrame, Upstream(columns=["c09", "c10"])]) -> pl.DataFrame:
        return pl.DataFrame({"handed_over": wide.columns})

    @asset()
    def opaque(wide: pl.DataFrame) -> pl.DataFrame:
        return wide.select("c00")
"""
READS = {
    "selects": {"c00", "c01"},
    "filters": {"c00", "c02"},
    "joins": {"c00", "c03", "c04"},
    "groups": {"c00", "c05"},
    "sorts": {"c00", "c06"},
    "counts": set(),
    "lazy": {"c00", "c07", "c08"},
    "declared": {"c09", "c10"},
    "stars": set(NAMES),
    "opaque": set(NAMES),
}
OPAQUE = {"stars", "opaque"}


@pytest.fixture
def made(project: Project) -> Project:
    project.define(ASSETS.replace("{VALUES}", VALUES))
    project.must("materialize")
    return project


def made_by(project: Project, old: str, new: str) -> set[str]:
    """Edit the definitions, materialize, and return what was made besides the input itself."""
    before = project.tail
    project.edit("assets.py", old, new)
    project.must("materialize")
    found = project.made(behind=before)
    assert "wide" in found
    return found - {"wide"}


def test_the_journal_says_what_was_read(made: Project) -> None:
    recorded = {each["asset"]: each["reads"] for each in made.records("materialized")}
    assert recorded.pop("wide") is None
    for asset in OPAQUE:
        assert recorded.pop(asset) is None, asset
    assert recorded == {
        asset: {"wide": {"columns": sorted(READS[asset]), "schema": asset == "lazy"}} for asset in recorded
    }
    assert set(recorded) == set(READS) - OPAQUE


def test_a_changed_column_makes_exactly_its_readers(made: Project) -> None:
    for number in (0, 2, 4, 7, 10, 11):  # one that many read, those that one names, and one that none does
        name = NAMES[number]
        found = made_by(made, f'"{name}": {number}', f'"{name}": {number + 100}')
        assert found == {asset for asset, columns in READS.items() if name in columns}, name
    assert made.must("materialize").err == "nothing to do: 11 cells fresh\n"


def test_what_did_not_read_a_changed_column_is_skipped_and_the_comparison_is_recorded(made: Project) -> None:
    before = made.tail
    made.edit("assets.py", '"c02": 2', '"c02": 102')
    outcome = made.must("materialize", "--json").value
    assert (outcome["made"], outcome["fresh"], outcome["failed"]) == (4, 7, 0)
    skipped = {each["asset"]: each for each in made.records("skipped", behind=before)}
    assert set(skipped) == set(READS) - OPAQUE - {"filters"}
    last = made.must("audit", "skips", "declared", "--json").value["looks"][-1]
    assert (last["asset"], [each["name"] for each in last["reads"]]) == ("declared", ["wide"])


def test_another_set_of_rows_makes_every_reader(made: Project) -> None:
    assert made_by(made, "ROWS = 4", "ROWS = 5") == set(READS)


def test_a_count_of_rows_is_fresh_while_values_change_and_stale_when_their_number_does(made: Project) -> None:
    others = ", ".join(f'"{name}": {number + 50}' for number, name in enumerate(NAMES))
    assert "counts" not in made_by(made, VALUES, others)
    assert made.query("FROM counts") == [{"n": 4}]
    assert "counts" in made_by(made, "ROWS = 4", "ROWS = 7")
    assert made.query("FROM counts") == [{"n": 7}]


def test_rows_in_another_order_make_the_readers_of_their_columns_and_no_count(made: Project) -> None:
    found = made_by(made, "row % 2 for row", "(row + 1) % 2 for row")
    assert found == set(READS) - {"counts"}


def test_a_new_column_makes_only_what_could_see_it(made: Project) -> None:
    """A lazy function may look at the schema; a query whose columns are closed, and declared columns, cannot see it."""
    assert made_by(made, "VALUES = {", 'VALUES = {"new": 7, ') == OPAQUE | {"lazy"}
    assert "new" in made.query("SELECT * FROM stars")[0]
    assert made.must("materialize").err == "nothing to do: 11 cells fresh\n"


def test_a_column_that_goes_makes_only_what_could_see_it(made: Project) -> None:
    assert made_by(made, ', "c19": 19', "") == OPAQUE | {"lazy"}


def test_a_column_of_another_type_with_the_same_numbers_makes_its_readers(made: Project) -> None:
    found = made_by(made, "in VALUES.items()})", "in VALUES.items()}, schema_overrides={'c02': pl.Int32})")
    assert found == OPAQUE | {"filters", "lazy"}


def test_declared_columns_are_all_that_is_handed_over(made: Project) -> None:
    assert made.query("SELECT handed_over FROM declared ORDER BY ALL") == [
        {"handed_over": "c09"},
        {"handed_over": "c10"},
    ]


def test_other_declared_columns_make_the_cell_anew(made: Project) -> None:
    before = made.tail
    made.edit("assets.py", 'columns=["c09", "c10"]', 'columns=["c09", "c11"]')
    made.must("materialize")
    assert made.made(behind=before) == {"declared"}
    assert made_by(made, '"c10": 10', '"c10": 110') == OPAQUE
    assert made_by(made, '"c11": 11', '"c11": 111') == OPAQUE | {"declared"}


def test_a_query_edited_to_read_more_is_asked_about_what_it_reads_now(made: Project) -> None:
    made.edit("assets.py", "SELECT c00, c01 AS renamed", "SELECT c00, c12 AS renamed")
    made.must("materialize")
    assert made_by(made, '"c01": 1,', '"c01": 101,') == OPAQUE
    assert made_by(made, '"c12": 12', '"c12": 112') == OPAQUE | {"selects"}


NAMES_THAT_A_COLUMN_TAKES = {
    "captured": "SELECT c00 FROM wide WHERE EXISTS (SELECT 1 FROM other WHERE y = c01)",
    "alias_in_where": "SELECT c00 + 1 AS z FROM wide WHERE z > 3",
    "alias_in_group": "SELECT c00 % 2 AS z, count(*) AS n FROM wide GROUP BY z",
    "alias_beside": "SELECT c00 AS z, z + 1 AS after FROM wide",
    "whole_row": "SELECT wide AS whole FROM wide",
    "by_pattern": "SELECT COLUMNS('c0.*') FROM wide",
    "by_name": "SELECT c00 FROM wide UNION ALL BY NAME SELECT * FROM other",
    "of_distinct_rows": "SELECT count(*) AS n FROM (SELECT DISTINCT * FROM wide)",
}


@pytest.mark.parametrize(
    ("wider", "other"), [(', "z": [100, -100, 0]', ""), ("", ', "c01": [5, 5]'), ("", ', "c00": [5, 5]')]
)
def test_a_new_column_that_takes_a_name_of_a_query_never_leaves_an_old_answer_fresh(
    project: Project, wider: str, other: str
) -> None:
    """Names are looked up anew where a column is added: the answer must be that of a project made from nothing."""
    text = """
        from definitions.queries import QUERIES

        import polars as pl
        from assets_core import asset, sql_asset

        @asset()
        def wide() -> pl.DataFrame:
            return pl.DataFrame({"c00": [3, 1, 2], "c01": [1, 2, 1]WIDER})

        @asset()
        def other() -> pl.DataFrame:
            return pl.DataFrame({"y": [1, 7]OTHER})

        for key, query in QUERIES.items():
            sql_asset(key, query)
    """
    queries = f"QUERIES = {NAMES_THAT_A_COLUMN_TAKES!r}\n"
    alone = Project(project.root.parent / "alone")
    alone.write("assets.toml", '[project]\nname = "small"\n')
    for each in (project, alone):
        each.define(queries, "queries.py")
    project.define(text.replace("WIDER", "").replace("OTHER", ""))
    project.must("materialize")
    for each in (project, alone):
        each.define(text.replace("WIDER", wider).replace("OTHER", other))
        each.run("materialize")  # a name may be ambiguous now
    stale = {step["asset"] for step in project.must("plan", "--json").value["steps"]}
    for key in set(NAMES_THAT_A_COLUMN_TAKES) - stale:
        assert last_version(project, key) == last_version(alone, key), key


def last_version(project: Project, asset: str) -> str | None:
    versions = [each["version"] for each in project.records("materialized") if each["asset"] == asset]
    return versions[-1] if versions else None
