"""Does a run that goes on while somebody rolls a pointer back read, and record, what is current then?"""

from __future__ import annotations

import pytest
from command import COMMAND, Project

ASSETS = """
    import subprocess
    from pathlib import Path
    from typing import Annotated

    import polars as pl
    from assets_core import Partition, StaticPartitions, Upstream, asset

    RATE = 1
    EXTRA = 1
    ROLL = Path("{root}/roll")

    @asset(partitions=StaticPartitions(["a", "b"]))
    def u(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({{"n": [RATE], "key": [partition.key]}})

    @asset()
    def gate({waits}) -> pl.DataFrame:
        if ROLL.exists():
            arguments = ["u@b", "--to", ROLL.read_text(), "--project", "{root}"]
            ROLL.unlink()
            subprocess.run(["{command}", "rollback", *arguments], check=True, capture_output=True)
        return pl.DataFrame({{"g": [EXTRA]}})

    @asset()
    def total(gate: pl.DataFrame, u: {u}) -> pl.DataFrame:
        return u.select(pl.col("n").sum())
"""
NARROWED = 'Annotated[pl.DataFrame, Upstream("u", columns=["n"])]'


def define(project: Project, u: str, waits: str = "") -> None:
    project.define(ASSETS.format(root=project.root, command=COMMAND, u=u, waits=waits))


def total(project: Project) -> int:
    (row,) = project.query("SELECT n FROM total")
    return int(row["n"])


@pytest.mark.parametrize("u", [NARROWED, "pl.DataFrame"], ids=["narrowed", "whole"])
def test_what_is_made_of_a_rolled_back_cell_is_stale_when_the_cell_is_made_anew(project: Project, u: str) -> None:
    define(project, u)
    project.must("materialize")
    first = len(project.journal)
    project.edit("assets.py", "RATE = 1", "RATE = 2")
    project.must("materialize")
    assert total(project) == 4
    project.edit("assets.py", "EXTRA = 1", "EXTRA = 2")
    (project.root / "roll").write_text(str(first))
    project.must("materialize", "gate or total")
    assert len(project.records("rolled_back")) == 1
    assert total(project) == 3
    project.must("materialize")
    assert total(project) == 4
    assert project.must("materialize").err.startswith("nothing to do")
    assert project.run("audit", "verify").code == 0


@pytest.mark.parametrize("u", [NARROWED, "pl.DataFrame"], ids=["narrowed", "whole"])
def test_an_atomic_run_publishes_cells_that_fit_each_other(project: Project, u: str) -> None:
    define(project, u, waits="u: pl.DataFrame")
    project.must("materialize")
    first = len(project.journal)
    project.edit("assets.py", "RATE = 1", "RATE = 2")
    project.must("materialize")
    project.edit("assets.py", "RATE = 2", "RATE = 100")
    (project.root / "roll").write_text(str(first))
    project.must("materialize", "--partitions", "a", "--atomic")
    assert len(project.records("rolled_back")) == 1
    assert total(project) == 101
    project.must("materialize")
    assert total(project) == 200
    assert project.must("materialize").err.startswith("nothing to do")
