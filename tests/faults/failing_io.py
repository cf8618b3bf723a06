"""Count, kill or fail the n-th call by which a process changes files below a folder.

Compiles failing_io.c once and loads it into a command, or into the driver that serves many cases. It must not know what
the files hold nor what a call means for the product.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).parent
WRITES = frozenset(["write", "pwrite", "writev", "pwritev", "sendfile", "copy_file_range", "fallocate"])
FAULTS = ("kill", "kill_after", "short", "short_error", "EIO", "ENOSPC", "ENOSPC+")
"""What can happen at a call. `stop` (SIGSTOP before it) is for tests that go on afterwards."""

ERRORS = frozenset(["short_error", "EIO", "ENOSPC", "ENOSPC+"])
"""The faults that the process lives through."""


@dataclass(frozen=True, slots=True)
class Call:
    """One watched call: its number, its name and the path or two that it was given."""

    number: int
    name: str
    path: str
    other: str | None

    @property
    def writes(self) -> bool:
        return self.name in WRITES


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at call `at` of those whose path begins with `area`, a text relative to the project's folder."""

    area: str
    at: int
    what: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How a case ended: exit status (negative: the signal), what it returned, what it had acknowledged by then."""

    status: int
    answer: Any
    acknowledged: tuple[tuple[int, str], ...]
    calls: tuple[Call, ...]
    printed: str


def library() -> Path:
    """Return the compiled library; its name tells from which source it was made, so that workers can share it."""
    source = HERE / "failing_io.c"
    digest = hashlib.blake2b(source.read_bytes(), digest_size=8).hexdigest()
    made = Path(tempfile.gettempdir()) / f"failing_io_{os.getuid()}_{digest}.so"
    if not made.exists():
        draft = made.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(draft), str(source)], check=True)
        draft.replace(made)
    return made


def calls_of(log: Path) -> tuple[Call, ...]:
    """Return the calls that a log lists."""
    found = []
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        number, name, path, *other = line.split("\t")
        found.append(Call(int(number), name, path, other[0] if other else None))
    return tuple(found)


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of a process that has the library; pools of threads that only cost time are small."""
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "1")
    return {**os.environ, **single, "LD_PRELOAD": str(library()), **settings}


def run_with(
    command: Sequence[str], prefix: Path, at: int | None = None, what: str | None = None, log: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with a fault at call `at`; each process that it starts counts for itself."""
    settings = {"FAILING_IO_PREFIX": str(prefix), "FAILING_IO_AT": str(at or 0), "FAILING_IO_WHAT": what or ""}
    if log is not None:
        settings["FAILING_IO_LOG"] = str(log)
    return subprocess.run(
        command, env=environment(**settings), capture_output=True, text=True, check=False, timeout=60, cwd=prefix.parent
    )


class Driver:
    """A process that has the product imported and forks itself for each case."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "driver.py")],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Driver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, operation: str, folder: Path, fault: Fault | None = None, log: Path | None = None) -> Ended:
        """Perform an operation of operations.py on a project's folder, in a process of its own.

        The calls are those of the fault's area, of the whole folder without one, and listed where a log is given.
        """
        fault = fault or Fault("", 0, "")
        if log is not None:
            log.unlink(missing_ok=True)
        reply = self._ask(
            {
                "operation": operation,
                "folder": str(folder),
                "prefix": f"{folder}/{fault.area}",
                "at": fault.at,
                "what": fault.what,
                "log": str(log or ""),
            }
        )
        return Ended(
            reply["status"],
            reply["answer"],
            tuple((seq, kind) for seq, kind in reply["acknowledged"]),
            () if log is None else calls_of(log),
            reply["printed"],
        )

    def _ask(self, request: Mapping[str, object]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the driver has ended at {request}"
        reply: dict[str, Any] = json.loads(line)
        return reply
