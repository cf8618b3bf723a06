"""The cases in Dagster: `python run.py CASE [--store FOLDER]`, run by `compare.py` in Dagster's own environment.

Runs go through `materialize` in this process, recorded in an instance on disk (SQLite). What is stored goes through
its default, pickles on disk. `days` is a run a partition; `batched` is one run over the range of partitions.
"""

import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
os.environ["DO_NOT_TRACK"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import frames
import polars as pl
import same_work
from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetsDefinition,
    BackfillPolicy,
    DagsterInstance,
    DailyPartitionsDefinition,
    FilesystemIOManager,
    InMemoryIOManager,
    InputContext,
    IOManager,
    OutputContext,
    asset,
    materialize,
)
from same_work import Job, Ready, Row

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


class Kept(InMemoryIOManager):
    """Keeps values in memory by asset; of several partitions, those of the run that is going on."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[pl.DataFrame] = []

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        self.values[tuple(context.asset_key.path)] = obj
        self.frames.extend(obj.values() if isinstance(obj, dict) else [obj])

    def load_input(self, context: InputContext) -> Any:
        return self.values[tuple(context.asset_key.path)]


class FileADay(IOManager):
    """A Parquet file for each partition of a range: the default cannot store several partitions of one step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def handle_output(self, context: OutputContext, obj: Mapping[str, pl.DataFrame]) -> None:
        folder = self.folder / context.asset_key.to_python_identifier()
        folder.mkdir(parents=True, exist_ok=True)
        for day, frame in obj.items():
            frame.write_parquet(folder / f"{day}.parquet")

    def load_input(self, context: InputContext) -> Mapping[str, pl.DataFrame]:
        folder = self.folder / context.asset_key.to_python_identifier()
        return {day: pl.read_parquet(folder / f"{day}.parquet") for day in context.asset_partition_keys}


def stored_frames(folder: Path) -> Iterable[pl.DataFrame]:
    for file in folder.rglob("*"):
        if file.suffix == ".parquet":
            yield pl.read_parquet(file)
        elif file.is_file():
            with file.open("rb") as opened:
                yield pickle.load(opened)  # noqa: S301  # written by this run


def ready(
    job: Job, assets: list[AssetsDefinition], work: Callable[[Callable[..., None]], None], manager: IOManager | None
) -> Ready:
    home = job.scratch / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    instance = DagsterInstance.get()
    kept = Kept()
    if job.store is None:
        manager = kept
    elif manager is None:
        manager = FilesystemIOManager(base_dir=str(job.store))

    def run(**how: Any) -> None:
        result = materialize(assets, instance=instance, resources={"io_manager": manager}, run_config=QUIET, **how)
        if not result.success:
            raise SystemExit("the run failed")

    def rows() -> Iterable[Row]:
        found = kept.frames if job.store is None else stored_frames(job.store)
        return [row for frame in found for row in frame.to_dicts()]

    return Ready(lambda: work(run), rows)


def link(number: int) -> AssetsDefinition:
    if number == 0:

        @asset(name="link_000")
        def first() -> pl.DataFrame:
            return frames.first_link()

        return first

    @asset(name=f"link_{number:03}", ins={"before": AssetIn(f"link_{number - 1:03}")})
    def following(before: pl.DataFrame) -> pl.DataFrame:
        return frames.next_link(before)

    return following


def chain(job: Job) -> Ready:
    return ready(job, [link(number) for number in range(job.links)], lambda run: run(), None)


@asset
def source() -> pl.DataFrame:
    return frames.source()


def reader(number: int) -> AssetsDefinition:
    @asset(name=f"reader_{number:04}")
    def read(source: pl.DataFrame) -> pl.DataFrame:
        return frames.reader(source, number)

    return read


def fan_out(job: Job) -> Ready:
    return ready(job, [source, *map(reader, range(job.readers))], lambda run: run(), None)


YEAR = DailyPartitionsDefinition("2013-01-01", end_date="2014-01-01")


def days(job: Job) -> Ready:
    @asset(partitions_def=YEAR)
    def orders(context: AssetExecutionContext) -> pl.DataFrame:
        return frames.orders(context.partition_key)

    @asset(partitions_def=YEAR)
    def priced(orders: pl.DataFrame) -> pl.DataFrame:
        return frames.priced(orders)

    @asset(partitions_def=YEAR)
    def billed(priced: pl.DataFrame) -> pl.DataFrame:
        return frames.billed(priced)

    def work(run: Callable[..., None]) -> None:
        for day in job.days:
            run(partition_key=day)

    return ready(job, [orders, priced, billed], work, None)


def batched(job: Job) -> Ready:
    one_run = {"partitions_def": YEAR, "backfill_policy": BackfillPolicy.single_run()}

    @asset(**one_run)
    def orders(context: AssetExecutionContext) -> dict[str, pl.DataFrame]:
        return {day: frames.orders(day) for day in context.partition_keys}

    @asset(**one_run)
    def priced(orders: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        return {day: frames.priced(frame) for day, frame in orders.items()}

    @asset(**one_run)
    def billed(priced: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        return {day: frames.billed(frame) for day, frame in priced.items()}

    tags = {RANGE_START: job.days[0], RANGE_END: job.days[-1]}
    manager = None if job.store is None else FileADay(job.store)
    return ready(job, [orders, priced, billed], lambda run: run(tags=tags), manager)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # that backfill policies are new
    same_work.run({"chain": chain, "fan_out": fan_out, "days": days, "batched": batched})
