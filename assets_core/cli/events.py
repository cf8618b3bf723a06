"""What `--json-events` prints: the records of a run as it writes them, how far it is, and what came of it.

Used by `execute.py`. The form is that of docs/json.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from ..model.run import Progress
from .output import say

if TYPE_CHECKING:
    from catalog.records import Record

_PROGRESS_SECONDS = 1.0


class EventLines:
    """Prints events, each a line of JSON, when they happen. Where nobody reads them any more the run goes on."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_read = True
        self._due = 0.0
        self._told: dict[str, Any] = {}

    def records(self, records: Sequence[Record]) -> None:
        """Print records that are in the journal now."""
        if self._is_read:
            self._print([{"event": one.kind, "seq": one.seq, "time": one.at, **one.payload} for one in records])

    def progress(self, progress: Progress) -> None:
        """Print how far the run is, once a second while that changes."""
        if progress.seconds < self._due or not self._is_read:
            return
        self._due = progress.seconds + _PROGRESS_SECONDS
        numbers = ("run", "planned", "made", "fresh", "failed", "blocked", "retrying", "waiting", "paused")
        told = {name: getattr(progress, name) for name in numbers}
        if told != self._told:
            self._told = told
            self._print([{"event": "progress", **told, "seconds": round(progress.seconds, 3)}])

    def result(self, result: dict[str, Any]) -> None:
        """Print what came of the run: the last event."""
        if self._is_read:
            self._print([{"event": "result", **result}])

    def _print(self, events: Sequence[dict[str, Any]]) -> None:
        # ASCII: no letter that some reader takes for the end of a line, none that the encoding of stdout lacks.
        try:
            self._out.write("".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events))
            self._out.flush()
        except OSError as error:
            self._is_read = False
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())  # for what is still buffered
            say(f"the events cannot be printed any more ({error.strerror}); the run goes on")
