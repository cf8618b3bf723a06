"""The cases in Prefect: `python run.py CASE [--store FOLDER]`, run by `compare.py` in Prefect's own environment.

One flow that calls a task a cell, against the server that Prefect starts for a process (SQLite in a fresh home); it is
started by an empty flow before the time counts. What is stored are results that persist, as pickles. The time ends when
the server knows all task runs. `days` is a task for each day of each asset.
"""

# ruff: noqa: E402  # Prefect reads its settings when it is imported

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

HOME = tempfile.TemporaryDirectory(prefix="assets-prefect-", ignore_cleanup_errors=True)
for name in [name for name in os.environ if name.startswith("PREFECT_")]:
    del os.environ[name]
os.environ |= {
    "DO_NOT_TRACK": "1",
    "PREFECT_HOME": HOME.name,
    "PREFECT_PROFILES_PATH": f"{HOME.name}/profiles.toml",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
}
sys.path.insert(0, str(Path(__file__).parents[1]))

import frames
import polars as pl
import same_work
from prefect import flow, get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.filters import TaskRunFilter
from prefect.filesystems import LocalFileSystem
from same_work import Job, Ready, Row


def states_known() -> int:
    """Return how many task runs the server knows to be completed."""

    async def ask() -> int:
        completed = TaskRunFilter.model_validate({"state": {"type": {"any_": ["COMPLETED"]}}})
        async with get_client() as client:
            answer = await client._client.post(
                "/task_runs/count", json={"task_runs": completed.model_dump(mode="json", exclude_unset=True)}
            )
            return int(answer.json())

    return asyncio.run(ask())


AsTask = Callable[[Callable[..., pl.DataFrame]], Callable[..., pl.DataFrame]]


def case(name: str, body: Callable[[Job, AsTask], Iterable[pl.DataFrame]]) -> Callable[[Job], Ready]:
    def get_ready(job: Job) -> Ready:
        made: list[pl.DataFrame] = []
        how: dict[str, Any] = {"persist_result": False, "cache_policy": NO_CACHE}
        if job.store is not None:  # with the default policy, which names a result by the inputs and the code
            folder = LocalFileSystem(basepath=str(job.store))
            folder.save("results")
            how = {"persist_result": True, "result_storage": folder}

        @flow(name=name, persist_result=False)
        def whole() -> None:
            made.extend(body(job, lambda function: task(function, **how)))

        @flow(name="empty")
        def empty() -> None:
            return None

        def work() -> None:
            whole()
            while states_known() < len(made):
                time.sleep(0.01)

        def rows() -> Iterable[Row]:
            if job.store is not None and len([*job.store.rglob("*")]) < len(made):
                raise SystemExit("not all results are stored")
            return [row for frame in made for row in frame.to_dicts()]

        empty()
        return Ready(work, rows)

    return get_ready


def chain(job: Job, as_task: AsTask) -> Iterable[pl.DataFrame]:
    first, following = as_task(frames.first_link), as_task(frames.next_link)
    made = [first()]
    for _ in range(1, job.links):
        made.append(following(made[-1]))
    return made


def fan_out(job: Job, as_task: AsTask) -> Iterable[pl.DataFrame]:
    source, read = as_task(frames.source)(), as_task(frames.reader)
    return [source, *(read(source, number) for number in range(job.readers))]


def days(job: Job, as_task: AsTask) -> Iterable[pl.DataFrame]:
    orders, priced, billed = map(as_task, (frames.orders, frames.priced, frames.billed))
    for day in job.days:
        ordered = orders(day)
        with_prices = priced(ordered)
        yield from (ordered, with_prices, billed(with_prices))


if __name__ == "__main__":
    same_work.run({"chain": case("chain", chain), "fan_out": case("fan_out", fan_out), "days": case("days", days)})
