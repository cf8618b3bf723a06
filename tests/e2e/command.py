"""How a test drives the `assets` command on a small project of its own: in this process, or as a process to be killed.

Used by every test of this folder. It must not know what a command ought to answer.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assets_core.cli import main

COMMAND = str(Path(sys.executable).parent / "assets")
SETTINGS = '[project]\nname = "small"\n'
LONGEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command printed and the exit code with which it ended."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """Return stdout as the one JSON value that it must be."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """Return the lines of stdout behind the header, split at the tabs."""
        return [line.split("\t") for line in self.out.splitlines()[1:]]


def run_here(*arguments: str) -> Outcome:
    """Run the command line in this process, with the arguments that a shell would give it."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["assets", *arguments]
    code: object = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as stop:
        code = stop.code
    finally:
        sys.argv = before
    return Outcome(code if isinstance(code, int) else int(code is not None), out.getvalue(), err.getvalue())


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder of a test, and the processes that were started on it."""

    root: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project; the indentation that all its lines share is left out."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def define(self, text: str, file: str = "assets.py") -> Path:
        """Write a file of definitions."""
        return self.write(f"definitions/{file}", text)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text, which must be there once, in a file of definitions."""
        path = self.root / "definitions" / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is in {file} {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *arguments: str) -> Outcome:
        """Run a command on the project in this process."""
        return run_here(*arguments, "--project", str(self.root))

    def must(self, *arguments: str) -> Outcome:
        """Run a command on the project that has to succeed."""
        outcome = self.run(*arguments)
        assert outcome.code == 0, outcome.err
        return outcome

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command as a process of its own, in the project's folder."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([COMMAND, *arguments], **{"cwd": self.root, **pipes, **options})
        self.processes.append(process)
        return process

    def end_all(self) -> None:
        """End what a failed test has left running."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def process(self, *arguments: str, **options: Any) -> Outcome:
        """Run a command as a process of its own, in the project's folder, to its end."""
        return ended(self.start(*arguments, **options))

    @property
    def journal(self) -> list[dict[str, Any]]:
        """Return the records of the project's journal, without a last line that is still being written."""
        segments = sorted((self.root / ".assets" / "journal").glob("*.jsonl"))
        return [json.loads(line[65:]) for segment in segments for line in segment.read_bytes().split(b"\n")[:-1]]

    def records(self, kind: str, *, behind: int = 0) -> list[dict[str, Any]]:
        """Return the payloads of one kind of record, of those behind a sequence number."""
        return [record["payload"] for record in self.journal if record["kind"] == kind and record["seq"] > behind]

    @property
    def tail(self) -> int:
        """Return the sequence number of the last record."""
        return len(self.journal)

    def made(self, *, behind: int = 0) -> set[str]:
        """Return the cells that were materialized, written as in `assets explain`; no cell may be there twice."""
        cells = Counter(
            record["asset"] if record["partition"] is None else f"{record['asset']}@{record['partition']}"
            for record in self.records("materialized", behind=behind)
        )
        assert all(count == 1 for count in cells.values()), cells
        return set(cells)

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query over the published data."""
        rows: list[dict[str, Any]] = self.must("query", sql, "--json").value
        return rows

    def published(self) -> Counter[str]:
        """Return how many times each cell was published over all runs."""
        return Counter(
            asset if partition is None else f"{asset}@{partition}"
            for record in self.records("published")
            for asset, partition, *_ in record["cells"]
        )


def ended(process: subprocess.Popen[str]) -> Outcome:
    """Return what a process printed, when it has ended."""
    out, err = process.communicate(timeout=LONGEST_SECONDS)
    return Outcome(process.returncode, out, err)


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Poll until something has happened; a process that ends before that fails the test."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not happened():
        assert process.poll() is None, f"the process has ended: {ended(process)}"
        assert time.monotonic() < deadline, "it did not happen"
        os.sched_yield()


def kill(process: subprocess.Popen[str]) -> Outcome:
    """Kill a process in a way that it cannot notice."""
    process.send_signal(signal.SIGKILL)
    return ended(process)
