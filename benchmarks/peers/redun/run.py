"""The cases in redun: `python run.py CASE [--store FOLDER]`, run by `compare.py` in redun's own environment.

One scheduler with its default executor (threads). redun always records every value: what is stored is its SQLite
database on disk, otherwise the same database in memory. `days` is a task for each day of each asset.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import frames
import polars as pl
import same_work
from redun import Scheduler, task
from redun.config import Config
from same_work import Job, Ready, Row

redun_namespace = "peers"


@task()
def first_link() -> pl.DataFrame:
    return frames.first_link()


@task()
def next_link(link: pl.DataFrame) -> pl.DataFrame:
    return frames.next_link(link)


@task()
def source() -> pl.DataFrame:
    return frames.source()


@task()
def reader(source: pl.DataFrame, number: int) -> pl.DataFrame:
    return frames.reader(source, number)


@task()
def orders(day: str) -> pl.DataFrame:
    return frames.orders(day)


@task()
def priced(orders: pl.DataFrame) -> pl.DataFrame:
    return frames.priced(orders)


@task()
def billed(priced: pl.DataFrame) -> pl.DataFrame:
    return frames.billed(priced)


def chain(job: Job) -> list[Any]:
    links = [first_link()]
    for _ in range(1, job.links):
        links.append(next_link(links[-1]))
    return links


def fan_out(job: Job) -> list[Any]:
    read = source()
    return [read, *(reader(read, number) for number in range(job.readers))]


def days(job: Job) -> list[Any]:
    made = []
    for day in job.days:
        ordered = orders(day)
        with_prices = priced(ordered)
        made += [ordered, with_prices, billed(with_prices)]
    return made


def case(expressions: Callable[[Job], list[Any]]) -> Callable[[Job], Ready]:
    def get_ready(job: Job) -> Ready:
        place = ":memory:" if job.store is None else str(job.store / "redun.db")
        scheduler = Scheduler(config=Config({"backend": {"db_uri": f"sqlite:///{place}"}}))
        scheduler.load()
        made: list[pl.DataFrame] = []

        def work() -> None:
            made.extend(scheduler.run(expressions(job)))

        def rows() -> Iterable[Row]:
            return [row for frame in made for row in frame.to_dicts()]

        return Ready(work, rows)

    return get_ready


if __name__ == "__main__":
    logging.getLogger("redun").setLevel(logging.WARNING)
    same_work.run({"chain": case(chain), "fan_out": case(fan_out), "days": case(days)})
