"""What must stay quick to start stays light: the public names and the command line load no engine."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ["duckdb", "polars", "pyarrow", "pandera", "pandas", "numpy", "sqlglot", "openlineage", "rich"]


def loaded_by(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_public_names_load_no_data_library() -> None:
    assert loaded_by("import assets_core") == set()


def test_the_command_line_loads_no_engine() -> None:
    assert loaded_by("import assets_core.cli") == set()


@pytest.mark.parametrize("module", ["assets_core.materialize", "assets_core.project"])
def test_planning_needs_the_catalog_and_arrays_only(module: str) -> None:
    assert loaded_by(f"import {module}") <= {"duckdb", "numpy"}
