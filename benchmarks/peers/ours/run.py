"""The cases in this product: `python run.py CASE [--store FOLDER] [--tenth]`, run by `compare.py`.

Everything is always stored and recorded, durably; `--store` only tells where. The projects are those of `projects.py`,
whose `days` has a contract and a check as well; `batched` has one call an asset over the whole range, without them.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

import polars as pl
import same_work
from one_run import load
from projects import CASES, Case, write_project
from same_work import Job, Ready, Row

from assets_core.materialize import materialize

_BATCHED = """from collections.abc import Iterator, Sequence
from datetime import date

import polars as pl

from assets_core import DailyPartitions, Partition, asset

YEAR = DailyPartitions("2013-01-01", "2014-01-01")
Frames = Iterator[tuple[str, pl.DataFrame]]


@asset(partitions=YEAR, batch=True)
def orders(days: Sequence[Partition]) -> Frames:
    for day in days:
        number = day.start.toordinal()
        yield day.key, pl.DataFrame({"day": [day.key], "place": ["JFK"], "number": [number], "price": [number / 7]})


@asset(partitions=YEAR, batch=True)
def priced(orders: pl.DataFrame, days: Sequence[Partition]) -> Frames:
    frame = orders.with_columns(total=pl.col("number") * pl.col("price"))
    for (day,), part in frame.partition_by("day", as_dict=True).items():
        yield day, part


@asset(partitions=YEAR, batch=True)
def billed(priced: pl.DataFrame, days: Sequence[Partition]) -> Frames:
    frame = priced.select("day", "place", bill=pl.col("total").round(2))
    for (day,), part in frame.partition_by("day", as_dict=True).items():
        yield day, part
"""
_PROJECTS = {**CASES, "batched": Case("batched", 3 * same_work.DAYS, _BATCHED)}


def get_ready(job: Job) -> Ready:
    folder = (job.scratch if job.store is None else job.store) / "project"
    write_project(_PROJECTS[job.case], job.case, folder)
    project = load(folder)
    selection, partitions = {
        "chain": (f"+link_{job.links - 1:03}", None),
        "fan_out": (" ".join(["source", *(f"reader_{number:04}" for number in range(job.readers))]), None),
    }.get(job.case, ("*", f"{job.days[0]}..{job.days[-1]}"))
    if not job.tenth:
        selection, partitions = "*", None

    def work() -> None:
        result = materialize(project, selection, partitions)
        if result.failed or result.blocked:
            raise SystemExit(f"the run is not what is to be measured: {result}")

    def rows() -> list[Row]:
        files = (project.state / "data").rglob("*.parquet")
        return [row for file in files for row in pl.read_parquet(file).to_dicts()]

    return Ready(work, rows)


if __name__ == "__main__":
    same_work.run(dict.fromkeys(same_work.CASES, get_ready))
