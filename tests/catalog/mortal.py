"""How a test kills its own process at a call that changes the disk. Used in forked children only."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

_CALLS = ("fsync", "write", "pwrite", "replace", "unlink", "ftruncate")


def die_before(number: int) -> None:
    """Kill this process before the n-th call by which it changes the disk."""
    left = [number]

    def mortal(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return call(*arguments, **options)

        return counted

    for name in _CALLS:
        setattr(os, name, mortal(getattr(os, name)))
