"""The baseline "plain Parquet loop, durable": the frames of the case `days` made and stored by hand, no orchestrator.

Run by `overhead.py` as `python plain_loop.py FOLDER`, in a process of its own; prints its figures as JSON. It does what
such a script must do so that a crash leaves no half-written file (write aside, fsync, rename, fsync the folder), and
nothing else: no hash, no checks, no record of what was made, no lineage, no second run that does nothing.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from projects import DAYS


def store(frame: pl.DataFrame, folder: Path, day: str) -> int:
    """Write one frame so that it is durable under its name; return the bytes of the file."""
    aside, final = folder / f".{day}.parquet", folder / f"{day}.parquet"
    pq.write_table(frame.to_arrow(), aside, compression="zstd")
    _fsync(aside)
    aside.rename(final)
    _fsync(folder)
    return final.stat().st_size


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def run(folder: Path) -> dict[str, float]:
    """Make a year of three frames a day; return rows and bytes."""
    places = {name: folder / name for name in ("orders", "priced", "billed")}
    for place in places.values():
        place.mkdir(parents=True)
    rows = size_bytes = 0
    for offset in range(DAYS):
        moment = date(2013, 1, 1) + timedelta(days=offset)
        day, number = moment.isoformat(), moment.toordinal()
        orders = pl.DataFrame({"day": [day], "place": ["JFK"], "number": [number], "price": [number / 7]})
        priced = orders.with_columns(total=pl.col("number") * pl.col("price"))
        billed = priced.select("day", "place", bill=pl.col("total").round(2))
        for name, frame in (("orders", orders), ("priced", priced), ("billed", billed)):
            size_bytes += store(frame, places[name], day)
            rows += frame.height
    return {"rows": rows, "data_bytes": size_bytes}


if __name__ == "__main__":
    started, started_cpu = time.perf_counter(), time.process_time()
    made = run(Path(sys.argv[1]))
    figures = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - started_cpu,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        **made,
    }
    print(json.dumps(figures))
