"""Does a run on a disk that is full, at whatever point, lose nothing and go on when there is space again?

On a small file system in memory where mounting is permitted; elsewhere every write fails from some call on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_case import Bench, wrong_error
from failing_io import Driver, Ended, Fault

DISK_BYTES = 64 * 2**20
FREE_BYTES = (0, 8_192, 32_768, 131_072, 524_288, 1_048_576, 2_097_152)
"""What is left of the disk: the run gets a little further with each."""

FIRST_FAILING = (1, 10, 20, 40, 60, 70, 85)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    is_mounted = os.getuid() == 0 and subprocess.run(options, check=False, capture_output=True).returncode == 0
    try:
        with Driver() as driver:
            yield Bench(disk if is_mounted else tmp_path / "no_disk", driver)
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_run_on_a_full_disk_loses_nothing_and_goes_on_when_there_is_space(bench: Bench) -> None:
    for base in ("old", "new"):
        bench.rows_of(base)
    failed = 0
    for number, free_bytes in enumerate(FREE_BYTES):
        folder = bench.copy("publish")
        before = bench.lines(folder)
        if bench.root.is_mount():
            ended = run_on_full_disk(bench, folder, free_bytes)
        else:
            ended = bench.driver.run("publish", folder, Fault("", FIRST_FAILING[number], "ENOSPC+"))
        told = [text for text in wrong_error(ended) if "with a traceback" not in text]
        assert told + bench.wrong_afterwards("publish", folder, before, ended) == [], (free_bytes, ended)
        failed += ended.answer["code"] != 0
    assert failed > len(FREE_BYTES) // 2


def run_on_full_disk(bench: Bench, folder: Path, free_bytes: int) -> Ended:
    filler = bench.root / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(shutil.disk_usage(bench.root).free - free_bytes, 1))
    ended = bench.driver.run("publish", folder)
    filler.unlink()
    return ended
