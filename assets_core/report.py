"""Report metadata, progress, log lines and a version from the code of an asset, and ask what it was given.

Used by commands, scripts and functions of projects. This one file can be copied to where assets-core is not installed:
it needs nothing but Python 3.8 or newer, and must not know the rest of the package. A command reports by a pipe; a
function that a run calls reports to that run, from the thread in which it is called. Anywhere else, nothing happens.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Protocol

    class Receiver(Protocol):
        """What takes the reports of a function that is run in this process."""

        def metadata(self, values: Mapping[str, Any], partition: str | None) -> None: ...
        def progress(self, fraction: float, message: str) -> None: ...
        def log(self, text: str, level: str) -> None: ...
        def version(self, text: str) -> None: ...
        def partition(self) -> str | None: ...


LEVELS = ("debug", "info", "warning", "error")

_receiver: ContextVar[Receiver | None] = ContextVar("assets_core_report", default=None)


def metadata(*, partition: str | None = None, **values: Any) -> None:
    """Record facts about the cell that is being made: texts, numbers, booleans, None, times, lists and dicts of such.

    A batched function names the `partition` that they are about; without one they are about all of its call.

    Raises: TypeError for another value, ValueError for a partition that is not being made.

    Example: `metadata(rows=rows, source="till 7")`
    """
    plain = json.loads(json.dumps(values, default=_plain), parse_constant=str)
    receiver = _receiver.get()
    if receiver is not None:
        receiver.metadata(plain, partition)
        return
    if partition is not None and partition != os.environ.get("ASSETS_PARTITION", partition):
        raise ValueError(f"a command makes one partition, which is not {partition!r}")
    _send({"metadata": plain})


def progress(fraction: float, message: str = "") -> None:
    """Say how far the work has come, from 0 to 1."""
    if not 0 <= fraction <= 1:
        raise ValueError(f"progress is a number from 0 to 1, not {fraction!r}")
    receiver = _receiver.get()
    if receiver is not None:
        receiver.progress(float(fraction), str(message))
    else:
        _send({"progress": float(fraction), "message": str(message)})


def log(text: str, level: str = "info") -> None:
    """Write a line into the log of the run; `level`: debug, info, warning or error."""
    if level not in LEVELS:
        raise ValueError(f"the level is one of {', '.join(LEVELS)}, not {level!r}")
    receiver = _receiver.get()
    if receiver is not None:
        receiver.log(str(text), level)
    else:
        _send({"log": {"level": level, "text": str(text)}})


def version(text: str) -> None:
    """Say the version of what a command made elsewhere: of one without an output file it is the value.

    What reads it is made anew where the text is not what it was.
    """
    receiver = _receiver.get()
    if receiver is not None:
        receiver.version(str(text))
    else:
        _send({"version": str(text)})


def partition() -> str | None:
    """Return the key of the partition that is being made; None where there is not exactly one."""
    receiver = _receiver.get()
    return receiver.partition() if receiver is not None else os.environ.get("ASSETS_PARTITION")


def output() -> str | None:
    """Return the path of the file that a command is to write; None where it has none."""
    return None if _receiver.get() is not None else os.environ.get("ASSETS_OUTPUT")


def input(name: str) -> str | None:  # noqa: A001  # the word for it
    """Return the path of an input of a command; None where there is none of that name."""
    return None if _receiver.get() is not None else os.environ.get("ASSETS_INPUT_" + name.upper())


@contextmanager
def receiving(receiver: Receiver) -> Iterator[None]:
    """Let a receiver have what is reported inside the block, by this thread. For whoever runs functions."""
    token = _receiver.set(receiver)
    try:
        yield
    finally:
        _receiver.reset(token)


def _plain(value: Any) -> Any:
    """Return what JSON has no word for as something that it has one for."""
    for name in ("isoformat", "tolist", "__fspath__"):  # times, numbers of numpy, paths
        if hasattr(value, name):
            return getattr(value, name)()
    raise TypeError(f"{repr(value)!r:.100} cannot be metadata: give texts, numbers, lists or dicts of such")


def _send(message: Mapping[str, Any]) -> None:
    """Write one line to the pipe that the run reads; do nothing where there is none."""
    data = memoryview(json.dumps(message).encode("ascii") + b"\n")
    try:
        pipe = int(os.environ.get("ASSETS_REPORT_FD", ""))
        while data:
            data = data[os.write(pipe, data) :]
    except (OSError, ValueError, OverflowError):
        return
