"""Steer a run from another process: pause it, let it go on, cancel it, change how many steps it runs at a time.

The wish is a record in the journal, so that it is known who asked for it; the run's coordinator reads it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from catalog.records import Line

KIND = "steered"


class Action(StrEnum):
    """What can be asked of a run that goes on."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    CONCURRENCY = "concurrency"


@dataclass(slots=True)
class Steering:
    """What was asked of the run named `run` until now; `concurrency`: steps at a time, None where nothing was said."""

    run: str
    paused: bool = False
    cancelled: bool = False
    concurrency: int | None = None

    def learn(self, lines: Sequence[Line]) -> None:
        """Take in records that others have appended; a wish of another form is passed over."""
        for line in lines:
            if line.kind != KIND or line.v != 1:
                continue
            payload = line.record().payload
            if payload.get("run") != self.run:
                continue
            match payload.get("action"):
                case Action.PAUSE:
                    self.paused = True
                case Action.RESUME:
                    self.paused = False
                case Action.CANCEL:
                    self.cancelled = True
                case Action.CONCURRENCY if _is_count(payload.get("value")):
                    self.concurrency = payload["value"]


def _is_count(value: object) -> bool:
    """Return whether a run can have so many steps at a time."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
