"""How the cells of an asset are run: where, how often tried, how long, how many at once. No part of its code version.

Read from declarations by `loading/handling.py`, used by the coordinator and by executors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

EXECUTORS = ("threads", "processes", "dask")
CHECK_FAILED = "CheckFailed"
"""The kind of a failure where data was made, but was refused: the same data would be refused again."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """How often a failed attempt is followed by another, and after how long.

    The wait doubles from `wait_seconds` with each attempt, up to `longest_seconds`. `on`: names of the exceptions that
    are tried again, with those derived from them; empty: every failure but that of a check.
    """

    limit: int = 0
    wait_seconds: float = 1.0
    longest_seconds: float = 300.0
    on: tuple[str, ...] = ()

    def wants(self, attempt: int, kinds: Sequence[str]) -> bool:
        """Return whether a failed attempt (the first is 1) is followed by another; `kinds`: the names of the
        exception's class and of those that it is derived from."""
        if attempt > self.limit:
            return False
        return any(kind in self.on for kind in kinds) if self.on else CHECK_FAILED not in kinds

    def wait(self, attempt: int, chance: float) -> float:
        """Return the seconds before the attempt after this one; `chance`, from 0 to 1, keeps many from coming back at
        the same moment: between half of the wait and all of it."""
        whole = min(self.longest_seconds, self.wait_seconds * 2.0 ** min(attempt - 1, 64))
        return whole * (0.5 + chance / 2)


@dataclass(frozen=True, slots=True)
class Handling:
    """How the cells of one asset are run.

    `executor` is that of the run where it is None. A step that takes longer than `timeout_seconds`, or more memory than
    `memory_bytes`, is ended. It takes `weight` slots of its `pool`. No more than `concurrency` of its steps run at a
    time. Ready cells of the highest `priority` are given out first.
    """

    executor: str | None = None
    timeout_seconds: float | None = None
    memory_bytes: int | None = None
    retrying: Retrying = field(default_factory=Retrying)
    pool: str | None = None
    weight: int = 1
    concurrency: int | None = None
    priority: int = 0

    @property
    def is_bounded(self) -> bool:
        """Return whether a step has to be ended from outside, which takes a process of its own."""
        return self.timeout_seconds is not None or self.memory_bytes is not None

    def to_json(self) -> dict[str, Any]:
        """Return what differs from the default, as JSON values; `handling_from_json` is the inverse."""
        retrying = self.retrying
        tried = {
            "limit": retrying.limit,
            "wait_seconds": retrying.wait_seconds,
            "longest_seconds": retrying.longest_seconds,
            "on": list(retrying.on),
        }
        members = {
            "executor": self.executor,
            "timeout_seconds": self.timeout_seconds,
            "memory_bytes": self.memory_bytes,
            "retries": tried if retrying.limit else None,
            "pool": self.pool,
            "weight": self.weight if self.weight != 1 else None,
            "concurrency": self.concurrency,
            "priority": self.priority or None,
        }
        return {name: value for name, value in members.items() if value is not None}


def handling_from_json(document: Mapping[str, Any]) -> Handling:
    """Return what `to_json` wrote."""
    members = dict(document)
    if (retries := members.pop("retries", None)) is not None:
        members["retrying"] = Retrying(
            retries["limit"], retries["wait_seconds"], retries["longest_seconds"], tuple(retries["on"])
        )
    return Handling(**members)
