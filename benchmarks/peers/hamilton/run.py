"""The cases in Hamilton: `python run.py CASE [--store FOLDER]`, run by `compare.py` in Hamilton's own environment.

What is stored is its cache, on disk as it does by default (pickles, metadata in SQLite); without it nothing is stored.
`days` executes the driver once for each day, with the day as its input.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ["HAMILTON_TELEMETRY_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import same_work
from hamilton import base, driver
from same_work import Job, Ready, Row

_HEAD = "import frames\nimport polars as pl\n"
_DAYS = """

def orders(day: str) -> pl.DataFrame:
    return frames.orders(day)


def priced(orders: pl.DataFrame) -> pl.DataFrame:
    return frames.priced(orders)


def billed(priced: pl.DataFrame) -> pl.DataFrame:
    return frames.billed(priced)
"""


def module_of(text: str, job: Job) -> ModuleType:
    """Return a module with these functions, in a file: the cache reads the source of each."""
    (job.scratch / "dataflow.py").write_text(_HEAD + text, encoding="utf-8")
    sys.path.insert(0, str(job.scratch))
    return importlib.import_module("dataflow")


def ready(job: Job, text: str, names: list[str], inputs: Iterable[Mapping[str, str]]) -> Ready:
    builder = driver.Builder().with_modules(module_of(text, job)).with_adapters(base.DictResult())
    if job.store is not None:
        builder = builder.with_cache(path=job.store)
    dataflow = builder.build()
    made: list[Mapping[str, Any]] = []

    def work() -> None:
        made.extend(dataflow.execute(names, inputs=dict(given)) for given in inputs)

    def rows() -> Iterable[Row]:
        if job.store is not None and not any(job.store.iterdir()):
            raise SystemExit("nothing is in the cache")
        return [row for results in made for frame in results.values() for row in frame.to_dicts()]

    return Ready(work, rows)


def chain(job: Job) -> Ready:
    links = ["\n\ndef link_000() -> pl.DataFrame:\n    return frames.first_link()\n"]
    for number in range(1, job.links):
        before = f"link_{number - 1:03}"
        head = f"def link_{number:03}({before}: pl.DataFrame) -> pl.DataFrame"
        links.append(f"\n\n{head}:\n    return frames.next_link({before})\n")
    return ready(job, "".join(links), [f"link_{number:03}" for number in range(job.links)], [{}])


def fan_out(job: Job) -> Ready:
    readers = [
        f"\n\ndef reader_{number:04}(source: pl.DataFrame) -> pl.DataFrame:\n"
        f"    return frames.reader(source, {number})\n"
        for number in range(job.readers)
    ]
    text = "\n\ndef source() -> pl.DataFrame:\n    return frames.source()\n" + "".join(readers)
    return ready(job, text, ["source", *(f"reader_{number:04}" for number in range(job.readers))], [{}])


def days(job: Job) -> Ready:
    return ready(job, _DAYS, ["orders", "priced", "billed"], [{"day": day} for day in job.days])


CASES: Mapping[str, Callable[[Job], Ready]] = {"chain": chain, "fan_out": fan_out, "days": days}

if __name__ == "__main__":
    same_work.run(CASES)
