"""What the feeds deliver under `landing/`: observed, never made. See `land.py` for how the files get there."""

from pathlib import Path

import polars as pl

from assets_core import external
from nycflights.periods import DAYS

OWNERS = ["team:feeds"]


def as_delivered(path: Path) -> pl.LazyFrame:
    """Read a CSV with each value as the text that was delivered; cleaning decides what it means."""
    return pl.scan_csv(path, infer_schema=False, glob=False)


raw_flights = external(
    "raw_flights",
    path="landing/flights/{partition}.csv",
    read=as_delivered,
    partitions=DAYS,
    owners=OWNERS,
    tags={"domain": "flights"},
    group="raw",
    description="Departures scheduled on one day from Newark, LaGuardia and Kennedy.",
)
raw_weather = external(
    "raw_weather",
    path="landing/weather/{partition}.csv",
    read=as_delivered,
    partitions=DAYS,
    owners=OWNERS,
    tags={"domain": "weather"},
    group="raw",
    description="Hourly observations of one day at the three airports; those of 2013-12-31 never came.",
)
raw_planes = external(
    "raw_planes",
    path="landing/planes.csv",
    read=as_delivered,
    owners=OWNERS,
    tags={"domain": "fleet"},
    group="raw",
    description="The register of aircraft.",
)
raw_airports = external(
    "raw_airports",
    path="landing/airports.csv",
    read=as_delivered,
    owners=OWNERS,
    tags={"domain": "geography"},
    group="raw",
    description="Airports and where they are.",
)
raw_airlines = external(
    "raw_airlines",
    path="landing/airlines.csv",
    read=as_delivered,
    owners=OWNERS,
    tags={"domain": "fleet"},
    group="raw",
    description="Carrier codes and the airlines behind them.",
)
