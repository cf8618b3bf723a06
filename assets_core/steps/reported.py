"""What a step reports while it runs: metadata of its cells, which end up in their outcomes, and lines for the log.

Made by a step for each attempt; `assets_core.report` and the pipe of a command write into it. It must not know who runs
the step. All of it is bounded: a flood costs one warning.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .logs import current
from .secrets import masked

METADATA_BYTES = 1 << 16
LINES = 10_000
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_LOG = logging.getLogger("assets.command")


class Reported:
    """Takes the reports of one attempt of one step, whose cells are given by ordinal and partition key.

    `told_version`: the last version that was told. `mask` takes out of a text what nobody may read.
    """

    def __init__(self, asset: str, cells: Mapping[int, str | None]) -> None:
        self._asset = asset
        self._cells = cells
        self._values: dict[str | None, dict[str, Any]] = {key: {} for key in cells.values()}
        self._sizes: dict[str | None, dict[str, int]] = {key: {} for key in cells.values()}
        self._totals: dict[str | None, int] = dict.fromkeys(cells.values(), 0)
        self._lines = 0
        self.told_version: str | None = None
        self.mask: Callable[[str], str] = masked

    def of(self, ordinal: int) -> Mapping[str, Any]:
        """Return the metadata of a cell."""
        return self._values[self._cells[ordinal]]

    def partition(self) -> str | None:
        return next(iter(self._cells.values())) if len(self._cells) == 1 else None

    def metadata(self, values: Mapping[str, Any], partition: str | None = None) -> None:
        """Keep what is said about a cell, or about all of them; raises ValueError where it is of none."""
        if partition is not None and partition not in self._values:
            raise ValueError(f"{self._asset} is not being made for partition {partition!r}")
        keys: Sequence[str | None] = [partition] if partition is not None else list(self._values)
        for name, value in values.items():
            shown, kept = self._readable(name), self._readable(value)
            size = len(json.dumps({shown: kept}))
            for key in keys:
                sizes = self._sizes[key]
                total = self._totals[key] - sizes.get(shown, 0) + size
                if total > METADATA_BYTES:
                    self.log(f"metadata {shown[:100]!r} is left out: a cell may have {METADATA_BYTES} bytes", "warning")
                    break
                self._values[key][shown], sizes[shown], self._totals[key] = kept, size, total

    def progress(self, fraction: float, message: str = "") -> None:
        self.log(f"{fraction:.0%} {message}".rstrip())

    def version(self, text: str) -> None:
        self.told_version = self._readable(text)

    def log(self, text: str, level: str = "info") -> None:
        """Write a line into the log of the run, or where there is none into that of Python, up to a limit."""
        text, attempt = self._readable(text), current()
        if attempt is not None:
            attempt.record(level, text)
            return
        self._lines += 1
        if self._lines <= LINES:
            _LOG.log(_LEVELS[level], "%s", text)
        elif self._lines == LINES + 1:
            _LOG.warning("%s wrote more than %d lines: the others are left out", self._asset, LINES)

    def say(self, stream: str, line: str) -> None:
        """Write a line that a command wrote to `stdout` or `stderr` into the log."""
        attempt = current()
        if attempt is not None:
            attempt.write(stream, f"{self._readable(line)}\n")
        else:
            self.log(line)

    def _readable(self, value: Any) -> Any:
        """Return a value with its texts masked, and with no halves of characters, which no file could hold."""
        match value:
            case str():
                return self.mask(value).encode("utf-8", "backslashreplace").decode()
            case dict():
                return {self._readable(name): self._readable(each) for name, each in value.items()}
            case float() if not math.isfinite(value):  # 1e999 in JSON
                return str(value)
            case list():
                return [self._readable(each) for each in value]
            case _:
                return value
