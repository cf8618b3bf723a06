"""The projects that the benchmarks run: each writes its definitions into a folder, from nothing but its name.

Called by `overhead.py`. Every frame has one row, so that what is measured is the work around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHAIN_LENGTH = 100
READERS = 1_000
DAYS = 365


@dataclass(frozen=True, slots=True)
class Case:
    """One project: what it is, how many cells it has, the text of its one file of definitions."""

    title: str
    cells: int
    definitions: str


def write_project(case: Case, name: str, folder: Path) -> None:
    """Write a project of one case into a new folder."""
    (folder / "definitions").mkdir(parents=True)
    (folder / "assets.toml").write_text(f'[project]\nname = "{name}"\n', encoding="utf-8")
    (folder / "definitions" / "assets.py").write_text(case.definitions, encoding="utf-8")


def _chain() -> str:
    links = [
        f"""

@asset()
def link_{number:03}(link_{number - 1:03}: pl.DataFrame) -> pl.DataFrame:
    return link_{number - 1:03}.with_columns(pl.col("number") + 1)
"""
        for number in range(1, CHAIN_LENGTH)
    ]
    return f"""import polars as pl

from assets_core import asset


@asset()
def link_000() -> pl.DataFrame:
    return pl.DataFrame({{"number": [0]}})
{"".join(links)}"""


_FAN_OUT = f"""import polars as pl

from assets_core import asset


@asset()
def source() -> pl.DataFrame:
    return pl.DataFrame({{"number": [1]}})


def reader(number):
    @asset(key=f"reader_{{number:04}}")
    def read(source: pl.DataFrame) -> pl.DataFrame:
        return source.with_columns(reader=pl.lit(number))

    return read


READERS = [reader(number) for number in range({READERS})]
"""

# The frames are those of plain_loop.py, the baseline.
_DAYS = """import pandera.polars as pa
import polars as pl

from assets_core import DailyPartitions, Partition, asset, check

YEAR = DailyPartitions("2013-01-01", "2014-01-01")


class Order(pa.DataFrameModel):
    day: str
    place: str = pa.Field(isin=["EWR", "JFK", "LGA"])
    number: int = pa.Field(ge=0)
    price: float = pa.Field(gt=0)


@asset(partitions=YEAR, schema=Order)
def orders(partition: Partition) -> pl.DataFrame:
    number = partition.start.toordinal()
    return pl.DataFrame({"day": [partition.key], "place": ["JFK"], "number": [number], "price": [number / 7]})


@asset(partitions=YEAR)
def priced(orders: pl.DataFrame) -> pl.DataFrame:
    return orders.with_columns(total=pl.col("number") * pl.col("price"))


@check(priced)
def total_is_positive(priced: pl.DataFrame) -> bool:
    return bool((priced["total"] > 0).all())


@asset(partitions=YEAR)
def billed(priced: pl.DataFrame) -> pl.DataFrame:
    return priced.select("day", "place", bill=pl.col("total").round(2))
"""

CASES: Mapping[str, Case] = {
    "chain": Case(f"chain of {CHAIN_LENGTH} assets, each reads the one before", CHAIN_LENGTH, _chain()),
    "fan_out": Case(f"fan-out: {READERS} assets read one", 1 + READERS, _FAN_OUT),
    "days": Case(f"3 assets x {DAYS} days, with a contract and a check", 3 * DAYS, _DAYS),
}
