"""Do the values of assets.toml reach functions and queries, count as code, and fit what they override?"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from loading_project import parts_of, project_with

from assets_core.errors import DefinitionErrors
from assets_core.project import Project

SALES = """
@asset(key="shop/sales")
def sales(rate: float = 1.5, codes: tuple[str, ...] = ("a",), first: date = date(2024, 1, 1), limit: int | None = None,
          options: dict[str, int] = {}, flag: bool = True) -> pl.DataFrame:
    return pl.DataFrame({"rate": [rate]})

QUERY = 'SELECT $minimum AS minimum FROM "shop/sales" WHERE rate > $minimum'
total = sql_asset("total", QUERY, parameters={"minimum": 1})
"""


def given(folder: Path, line: str, asset: str = "shop/sales") -> Project:
    return project_with(folder, SALES, f'[parameters."{asset}"]\n{line}\n')


def version(project: Project, key: str = "shop/sales") -> str:
    return project.graph.assets[key].code_version


@pytest.mark.parametrize(
    ("line", "value", "text"),
    [
        ("rate = 2.5", 2.5, "rate = 2.5"),
        ("rate = 2", 2.0, "rate = 2.0"),
        ('codes = ["b", "c"]', ("b", "c"), "codes = ('b', 'c')"),
        ("first = 2024-02-01", date(2024, 2, 1), "first = datetime.date(2024, 2, 1)"),
        ("limit = 5", 5, "limit = 5"),
        ("options = {deep = 1}", {"deep": 1}, "options = {'deep': 1}"),
        ("flag = false", False, "flag = False"),
    ],
)
def test_a_value_of_the_settings_takes_the_place_of_a_default_and_counts_as_code(
    tmp_path: Path, line: str, value: object, text: str
) -> None:
    before = version(project_with(tmp_path, SALES))
    project = given(tmp_path, line)
    name = line.partition(" ")[0]
    assert project.loaded.runtimes["shop/sales"].parameters == {name: value}
    assert type(project.loaded.runtimes["shop/sales"].parameters[name]) is type(value)
    assert parts_of(project, "shop/sales", "parameter") == {name: text}
    assert version(project) != before


def test_a_value_shows_in_the_asset_as_json(tmp_path: Path) -> None:
    project = given(tmp_path, "first = 2024-02-01\nrate = inf")
    shown = project.graph.assets["shop/sales"].to_json()["parameters"]
    assert shown == {"first": "2024-02-01", "rate": "inf"}


def test_a_parameter_of_a_query_counts_whether_overridden_or_not(tmp_path: Path) -> None:
    plain = project_with(tmp_path, SALES)
    assert parts_of(plain, "total", "parameter") == {"minimum": "minimum = 1"}
    before = version(plain, "total")
    project = given(tmp_path, "minimum = 7", "total")
    assert parts_of(project, "total", "parameter") == {"minimum": "minimum = 7"}
    assert project.loaded.runtimes["total"].parameters == {"minimum": 7}
    assert version(project, "total") != before


def test_a_header_gives_parameters_libraries_and_an_expiry(tmp_path: Path) -> None:
    query = """
        /* asset
        parameters = {minimum = 2.5}
        libraries = ["duckdb"]
        expires_after = "36h"
        */
        SELECT * FROM "shop/sales" WHERE rate > $minimum
    """
    project = project_with(tmp_path, SALES, "[parameters.many]\nminimum = 3\n", many=query)
    asset = project.graph.assets["many"]
    assert asset.parameters == {"minimum": 3.0}
    assert asset.expires_after_seconds == 36 * 3600
    assert asset.libraries_not_followed == ()
    assert set(parts_of(project, "many", "library")) == {"duckdb"}


@pytest.mark.parametrize(
    ("settings", "line", "what"),
    [
        ('[parameters."shop/sale"]\nrate = 2.0', 3, "there is no asset 'shop/sale' to give parameters to (did"),
        ('[parameters."shop/sales"]\n# why\nrates = 2.0', 5, "no parameter 'rates' with a default (did you mean"),
        ('[parameters]\n"shop/sales" = {rate = "2"}', 4, "'rate' of shop/sales is a text, '2'; by its default, 1.5,"),
        ('[parameters."shop/sales"]\nflag = true\nlimit = [\n  1,\n]', 5, "it is a whole number"),
        ('[parameters."shop/sales"]\nflag = 1', 4, "it is a boolean"),
        ('[parameters."shop/sales"]\nfirst = 2024-01-01T00:00:00', 4, "it is a date"),
        ('[parameters.total]\nminimum = "x"', 4, "'minimum' of total is a text"),
        ('[parameters.total]\nmaximum = 1', 4, "total has no parameter 'maximum'"),
        ('[run]\nthreads = 1\n[parameters.total]\nminimum = 1.5', 6, "it is a whole number"),
    ],
)  # fmt: skip
def test_a_value_that_fits_nothing_is_an_error_with_its_line(
    tmp_path: Path, settings: str, line: int, what: str
) -> None:
    project = project_with(tmp_path, SALES, settings)
    with pytest.raises(DefinitionErrors) as caught:
        _ = project.loaded
    [error] = caught.value.errors
    assert what in error.what
    assert str(error.place) == f"assets.toml:{line}"


@pytest.mark.parametrize(
    ("parameters", "what"),
    [
        ('{"minimum": 1, "maximun": 2}', "the query has no $maximun (did you mean 'maximum'?)"),
        ('{"minimum": 1, "maximum": object()}', "parameter 'maximum' of total is <object"),
        ('{"minimum": 1, "maximum": {1: 2}}', "parameter 'maximum' of total has a name that is not a text"),
        ('{"minimum": 1, "maximum": 2, "partition_key": 3}', "every query is given $partition_key by itself"),
        ("[1]", "parameters=[1]"),
    ],
)
def test_parameters_that_a_query_cannot_have_are_errors(tmp_path: Path, parameters: str, what: str) -> None:
    source = f'sql_asset("total", "SELECT $minimum, $maximum", parameters={parameters})'
    with pytest.raises(DefinitionErrors) as caught:
        _ = project_with(tmp_path, source).loaded
    assert what in caught.value.errors[0].what


def test_the_settings_of_a_pyproject_give_parameters_too(tmp_path: Path) -> None:
    project_with(tmp_path, SALES)
    (tmp_path / "assets.toml").unlink()
    table = '[project]\nname = "other"\nversion = "1"\n[tool.assets.parameters."shop/sales"]\nrates = 1.0\n'
    (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
    from assets_core.project import find_project

    with pytest.raises(DefinitionErrors) as caught:
        _ = find_project(tmp_path.resolve()).loaded
    assert str(caught.value.errors[0].place) == "pyproject.toml:5"


def test_a_file_that_cannot_be_loaded_leaves_its_parameters_unjudged(tmp_path: Path) -> None:
    project = project_with(tmp_path, SALES + "\n1 / 0\n", '[parameters."shop/other"]\nrate = 1.0\n')
    with pytest.raises(DefinitionErrors) as caught:
        _ = project.loaded
    assert ["ZeroDivisionError" in error.what for error in caught.value.errors] == [True]
