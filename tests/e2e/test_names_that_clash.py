"""Do folders of the user's own with the names of installed packages neither shadow them nor get lost behind them?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command import Project

import catalog
import connectors

ONE = """
    import polars as pl
    from assets_core import asset

    @asset()
    def one() -> pl.DataFrame:
        return pl.DataFrame({"n": [1]})
"""
SHADOWS = ["assets_core", "catalog", "connectors", "polars", "duckdb", "json", "typer"]


def test_folders_in_the_working_directory_shadow_no_installed_package(project: Project) -> None:
    project.define(ONE)
    for name in SHADOWS:
        project.write(f"{name}/__init__.py", 'raise RuntimeError("the folder of the user was imported")\n')
        project.write(f"{name}.py", 'raise RuntimeError("the file of the user was imported")\n')
    made = project.process("materialize")
    assert (made.code, made.out) == (0, ""), made.err
    assert project.process("query", "FROM one", "--json").value == [{"n": 1}]
    assert project.process("audit", "verify").code == 0


@pytest.mark.parametrize(("name", "installed"), [("catalog", catalog), ("connectors", connectors)])
def test_a_folder_of_definitions_with_the_name_of_an_installed_package_is_refused_with_both_paths(
    project: Project, name: str, installed: object
) -> None:
    project.write("assets.toml", f'[project]\ndefinitions = "{name}"\n')
    project.write(f"{name}/sales.py", ONE)
    outcome = project.process("list")
    assert (outcome.code, outcome.out) == (2, "")
    assert f"{name}/sales.py: {project.root / name} has the name of the installed package '{name}'" in outcome.err
    assert f"at {getattr(installed, '__file__', None)}" in outcome.err
    assert "remedy: rename the project's folder or file" in outcome.err
    assert "1 definition error" in outcome.err


def test_such_a_folder_of_sql_alone_needs_no_name_to_import(project: Project) -> None:
    project.write("assets.toml", '[project]\ndefinitions = "catalog"\n')
    project.write("catalog/one.sql", "/* asset */\nSELECT 1 AS n\n")
    assert project.process("materialize").code == 0
    assert project.query("FROM one") == [{"n": 1}]


@pytest.mark.parametrize("statement", ["from catalog.prices import P", "from catalog import prices", "import json.own"])
def test_an_import_that_finds_the_installed_package_instead_names_both(project: Project, statement: str) -> None:
    project.write("catalog/prices.py", "P = 1\n")
    project.write("json/own.py", "")
    project.define(f"{statement}\n", "imports.py")
    project.define(ONE)
    outcome = project.process("list")
    assert outcome.code == 2
    name = "json" if "json" in statement else "catalog"
    assert f"{project.root / name} has the name of the installed package '{name}' at " in outcome.err


def test_a_package_hidden_by_pythonpath_is_named_with_what_hides_it(project: Project) -> None:
    project.define(ONE)
    project.write("catalog/__init__.py", "")
    outcome = project.process("list", env={**os.environ, "PYTHONPATH": str(project.root)})
    assert outcome.code == 2
    house = Path(catalog.__file__).parent
    assert f"{project.root}/catalog stands in the way of the package 'catalog' of assets-core at {house}" in outcome.err
    assert "remedy: take its parent off PYTHONPATH" in outcome.err
    assert "Traceback" not in outcome.err


def test_two_projects_with_modules_of_one_name_do_not_see_each_other(project: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other")
    other.write("assets.toml", '[project]\nname = "other"\n')
    for number, each in enumerate((project, other)):
        each.define(f"NUMBER = {number}\n", "settings.py")
        each.define(
            """
            import polars as pl
            from assets_core import asset
            from definitions.settings import NUMBER

            @asset()
            def one() -> pl.DataFrame:
                from definitions import settings

                return pl.DataFrame({"early": [NUMBER], "late": [settings.NUMBER]})
            """
        )
    for number, each in enumerate((project, other)):
        each.must("materialize")
        assert each.query("FROM one") == [{"early": number, "late": number}]


def test_what_definitions_and_functions_print_stays_out_of_the_facts(project: Project) -> None:
    project.define(
        """
        import polars as pl
        from assets_core import asset, check, external

        print("definitions are read")

        def version():
            print("asked")
            return "1"

        external("feed", version=version, read=lambda partition: print("read") or pl.DataFrame({"n": [1]}))

        @asset()
        def one(feed: pl.DataFrame) -> pl.DataFrame:
            print("made")
            return feed

        @check(one)
        def fine(one: pl.DataFrame) -> bool:
            print("judged")
            return True
        """
    )
    assert project.must("plan", "--json").value["stale"] == 1
    outcome = project.must("materialize", "--json")
    assert outcome.value["made"] == 1
    assert {"definitions are read", "asked"} <= set(outcome.err.splitlines())
    said = project.must("logs", "latest").out
    assert all(f"\t{word}\n" in said for word in ("made", "judged"))
    assert project.must("status", "--json").value[0]["fresh"] == 1


@pytest.mark.parametrize("statement", ["raise SystemExit(0)", "import sys; sys.exit('bye')", "raise KeyError('x')"])
def test_a_module_cannot_end_the_command(project: Project, statement: str) -> None:
    project.define(ONE)
    project.define(f"{statement}\n", "ends.py")
    outcome = project.run("list")
    assert (outcome.code, outcome.out) == (2, "")
    assert "definitions/ends.py:1: " in outcome.err
