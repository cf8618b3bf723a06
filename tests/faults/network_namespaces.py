"""A Dask worker behind a network that goes away in the midst of a run: really, between two network namespaces.

Run as `python tests/faults/network_namespaces.py`, as root, where there is `ip`. The suite has the same with a proxy.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "executors"))

from dask_cluster import Cluster, until

from assets_core.materialize import materialize
from assets_core.project import find_project
from catalog.segments import read

DEFINITIONS = """
import time
import polars as pl
from assets_core import Partition, Retries, StaticPartitions, asset

@asset(partitions=StaticPartitions([str(n) for n in range(24)]), retries=Retries(2, wait="1s"))
def part(partition: Partition) -> pl.DataFrame:
    time.sleep(0.7)
    return pl.DataFrame({"n": [int(partition.key)]})

@asset()
def total(part: pl.LazyFrame) -> pl.LazyFrame:
    return part.select(pl.col("n").sum())
"""


@contextmanager
def namespace() -> Iterator[tuple[str, str, str, str]]:
    """Make a namespace joined to this one; yield its name, the device here, and the addresses here and there."""
    name = f"assets{os.getpid() % 100_000}"
    here, there = f"{name}a"[:15], f"{name}b"[:15]
    subnet = f"10.199.{os.getpid() % 250}"
    for command in (
        f"netns add {name}",
        f"link add {here} type veth peer name {there} netns {name}",
        f"addr add {subnet}.1/24 dev {here}",
        f"link set {here} up",
        f"-n {name} addr add {subnet}.2/24 dev {there}",
        f"-n {name} link set {there} up",
        f"-n {name} link set lo up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    try:
        yield name, here, f"{subnet}.1", f"{subnet}.2"
    finally:
        subprocess.run(["ip", "link", "del", here], check=False)
        subprocess.run(["ip", "netns", "del", name], check=False)


def made(root: Path) -> list[tuple[object, ...]]:
    names = ("asset", "partition", "recipe", "version", "file_digest")
    records = [record.payload for record in read(root / ".assets" / "journal", 0) if record.kind == "materialized"]
    return sorted((tuple(payload[name] for name in names) for payload in records), key=str)


def project(folder: Path, address: str) -> Path:
    (folder / "definitions").mkdir(parents=True)
    (folder / "definitions" / "parts.py").write_text(DEFINITIONS)
    (folder / "assets.toml").write_text(f'[project]\nname = "cut"\n[dask]\naddress = "{address}"\n')
    return folder


def main() -> None:
    with namespace() as (name, device, here, there), tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        cluster = Cluster(folder, host=here)
        try:
            cluster.begin()
            cluster.add()
            cluster.add("--host", there, by=("ip", "netns", "exec", name))
            cluster.wait_for(2)
            root = project(folder / "dask", cluster.address)
            started, moments = time.monotonic(), []

            def say(what: str) -> None:
                moments.append((what, time.monotonic() - started))

            def cut() -> None:
                until(lambda: len(made(root)) >= 3)
                say("the network goes")
                subprocess.run(["ip", "link", "set", device, "down"], check=True)
                cluster.wait_for(1)
                say("the worker is given up")
                subprocess.run(["ip", "link", "set", device, "up"], check=True)
                say("the network is back")

            cutting = threading.Thread(target=cut)
            cutting.start()
            result = materialize(find_project(root), executor="dask")
            say("the run has ended")
            cutting.join()
            beside = project(folder / "threads", cluster.address)
            materialize(find_project(beside), executor="threads")
            assert (result.made, result.failed, result.blocked) == (25, 0, 0), result
            assert len(made(root)) == 25, "each cell is recorded once"
            assert made(root) == made(beside)
            assert result.retried >= 1, "what was under way there was tried again"
            for what, seconds in moments:
                sys.stdout.write(f"{seconds:6.1f} s  {what}\n")
            sys.stdout.write(f"{result.made} cells made, {result.retried} attempts lost, equal to those on threads\n")
        finally:
            cluster.close()


if __name__ == "__main__":
    main()
