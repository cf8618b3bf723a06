"""Does the library see every call by which files are changed, and does each fault do what its name says?"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from failing_io import calls_of, run_with

WRITER = """
import os, sys
try:
    with open("below/file", "wb", buffering=0) as file:
        for text in (b"first-", b"second"):
            rest = memoryview(text)
            while rest:
                rest = rest[file.write(rest):]
        os.fsync(file.fileno())
    os.rename("below/file", "below/renamed")
    os.unlink("below/renamed")
except OSError as error:
    sys.exit(error.errno)
"""
CALLS = ["create", "write", "write", "fsync", "rename", "unlink"]

DATABASE = """
import duckdb
with duckdb.connect("below/index.duckdb") as connection:
    connection.execute("CREATE TABLE t AS SELECT range AS n FROM range(100000)")
    connection.execute("CHECKPOINT")
"""

PARQUET = """
import pyarrow, pyarrow.parquet
pyarrow.parquet.write_table(pyarrow.table({"n": [1, 2]}), "below/table.parquet")
"""


@pytest.fixture
def below(tmp_path: Path) -> Path:
    folder = tmp_path / "below"
    folder.mkdir()
    return folder


def run(program: str, below: Path, at: int | None = None, what: str | None = None) -> tuple[int, list[str]]:
    log = below.with_name("log")
    done = run_with([sys.executable, "-c", program], below, at, what, log)
    return done.returncode, [call.name for call in calls_of(log)]


def test_calls_are_counted_in_their_order_and_those_elsewhere_are_not(below: Path) -> None:
    assert run(WRITER, below) == (0, CALLS)
    assert run(WRITER.replace("below/", ""), below) == (0, CALLS)  # nothing was added to the log


@pytest.mark.parametrize(
    ("what", "at", "calls", "left"),
    [
        ("kill", 3, 3, {"file": b"first-"}),
        ("kill_after", 3, 3, {"file": b"first-second"}),
        ("short", 3, 3, {"file": b"first-sec"}),
        ("kill", 5, 5, {"file": b"first-second"}),
        ("kill_after", 5, 5, {"renamed": b"first-second"}),
    ],
)
def test_a_process_is_killed_at_exactly_that_call(
    below: Path, what: str, at: int, calls: int, left: dict[str, bytes]
) -> None:
    assert run(WRITER, below, at, what) == (-signal.SIGKILL, CALLS[:calls])
    assert {file.name: file.read_bytes() for file in below.iterdir()} == left


@pytest.mark.parametrize(
    ("what", "at", "code", "calls", "left"),
    [
        ("EIO", 4, 5, CALLS[:4], b"first-second"),
        ("ENOSPC", 2, 28, CALLS[:2], b""),
        ("ENOSPC+", 1, 28, CALLS[:2], b""),
        ("short_error", 2, 28, CALLS[:3], b"fir"),
    ],
)
def test_a_call_fails_with_the_error_that_was_asked_for(
    below: Path, what: str, at: int, code: int, calls: list[str], left: bytes
) -> None:
    assert run(WRITER, below, at, what) == (code, calls)
    assert (below / "file").read_bytes() == left


def test_what_duckdb_does_to_its_file_and_its_log_is_seen(below: Path) -> None:
    code, _ = run(DATABASE, below)
    assert code == 0
    seen = {(call.name, Path(call.path).name) for call in calls_of(below.with_name("log"))}
    assert {
        ("create", "index.duckdb"),
        ("pwrite", "index.duckdb"),
        ("fdatasync", "index.duckdb"),
        ("write", "index.duckdb.wal"),
        ("fdatasync", "index.duckdb.wal"),
        ("unlink", "index.duckdb.wal"),
    } <= seen


def test_what_arrow_writes_is_seen(below: Path) -> None:
    code, calls = run(PARQUET, below)
    assert (code, calls[0]) == (0, "create")
    assert calls.count("write") > 1
