"""The cases in Luigi: `python run.py CASE [--store FOLDER]`, run by `compare.py` in Luigi's own environment.

One `luigi.build` with the local scheduler. What is stored is a Parquet file a task, written aside and renamed as Luigi
does; otherwise the outputs are in memory. `days` is a task for each day of each asset; a batch of days would be three.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import frames
import luigi
import polars as pl
import same_work
from same_work import Job, Ready, Row


class Kept(luigi.Target):
    """A frame in memory."""

    frames: dict[str, pl.DataFrame] = {}  # noqa: RUF012  # Luigi makes the targets of a task anew whenever it asks

    def __init__(self, name: str) -> None:
        self.name = name

    def exists(self) -> bool:
        return self.name in self.frames


class Step(luigi.Task):
    """A task whose output is one frame."""

    store = luigi.OptionalParameter(default=None)

    def output(self) -> luigi.Target:
        name = "-".join([self.task_family, *(str(self.param_kwargs[p]) for p in ("number", "day") if hasattr(self, p))])
        return Kept(name) if self.store is None else luigi.LocalTarget(f"{self.store}/{name}.parquet")

    def read(self) -> pl.DataFrame:
        target = self.input()
        return Kept.frames[target.name] if isinstance(target, Kept) else pl.read_parquet(target.path)

    def write(self, frame: pl.DataFrame) -> None:
        target = self.output()
        if isinstance(target, Kept):
            Kept.frames[target.name] = frame
        else:
            with target.temporary_path() as aside:
                frame.write_parquet(aside)


class Link(Step):
    number = luigi.IntParameter()

    def requires(self) -> list[Step] | Step:
        return Link(number=self.number - 1, store=self.store) if self.number else []

    def run(self) -> None:
        self.write(frames.next_link(self.read()) if self.number else frames.first_link())


class Source(Step):
    def run(self) -> None:
        self.write(frames.source())


class Reader(Step):
    number = luigi.IntParameter()

    def requires(self) -> Step:
        return Source(store=self.store)

    def run(self) -> None:
        self.write(frames.reader(self.read(), self.number))


class Orders(Step):
    day = luigi.Parameter()

    def run(self) -> None:
        self.write(frames.orders(self.day))


class Priced(Step):
    day = luigi.Parameter()

    def requires(self) -> Step:
        return Orders(day=self.day, store=self.store)

    def run(self) -> None:
        self.write(frames.priced(self.read()))


class Billed(Step):
    day = luigi.Parameter()

    def requires(self) -> Step:
        return Priced(day=self.day, store=self.store)

    def run(self) -> None:
        self.write(frames.billed(self.read()))


def case(wanted: Callable[[Job, str | None], list[Step]]) -> Callable[[Job], Ready]:
    def get_ready(job: Job) -> Ready:
        store = None if job.store is None else str(job.store)

        def work() -> None:
            if not luigi.build(wanted(job, store), local_scheduler=True, workers=1, log_level="WARNING"):
                raise SystemExit("the tasks failed")

        def rows() -> Iterable[Row]:
            found = Kept.frames.values() if store is None else map(pl.read_parquet, Path(store).glob("*.parquet"))
            return [row for frame in found for row in frame.to_dicts()]

        return Ready(work, rows)

    return get_ready


if __name__ == "__main__":
    logging.getLogger("luigi-interface").setLevel(logging.WARNING)
    same_work.run(
        {
            "chain": case(lambda job, store: [Link(number=job.links - 1, store=store)]),
            "fan_out": case(lambda job, store: [Reader(number=n, store=store) for n in range(job.readers)]),
            "days": case(lambda job, store: [Billed(day=day, store=store) for day in job.days]),
        }
    )
