"""The functions of the cases, on polars frames: those of `projects.py`, whatever calls them.

Imported by the `run.py` of each peer whose functions are Python.
"""

from __future__ import annotations

from datetime import date

import polars as pl


def first_link() -> pl.DataFrame:
    return pl.DataFrame({"number": [0]})


def next_link(link: pl.DataFrame) -> pl.DataFrame:
    return link.with_columns(pl.col("number") + 1)


def source() -> pl.DataFrame:
    return pl.DataFrame({"number": [1]})


def reader(source: pl.DataFrame, number: int) -> pl.DataFrame:
    return source.with_columns(reader=pl.lit(number))


def orders(day: str) -> pl.DataFrame:
    number = date.fromisoformat(day).toordinal()
    return pl.DataFrame({"day": [day], "place": ["JFK"], "number": [number], "price": [number / 7]})


def priced(orders: pl.DataFrame) -> pl.DataFrame:
    return orders.with_columns(total=pl.col("number") * pl.col("price"))


def billed(priced: pl.DataFrame) -> pl.DataFrame:
    return priced.select("day", "place", bill=pl.col("total").round(2))
