"""How much memory does a process with its children hold? What is mapped from files does not count: it can be dropped.

Asked by `processes.py` for steps that have a limit. It answers on Linux; elsewhere it cannot tell, and says 0.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def held_bytes(process: int, more_than: int = 0) -> int:
    """Return the bytes that a process and its children hold; exact only where that may be `more_than` so many.

    Pages that a forked child has in common with its parent are counted once, but it takes long to find them out.
    """
    processes = _with_children(process)
    quick = sum(_resident(each) for each in processes)
    return quick if quick <= more_than or len(processes) == 1 else sum(_proportional(each) for each in processes)


def _with_children(process: int) -> list[int]:
    found = [process]
    for each in found:  # it grows meanwhile
        with suppress(OSError):
            for thread in os.listdir(f"/proc/{each}/task"):
                children = Path(f"/proc/{each}/task/{thread}/children").read_text(encoding="ascii")
                found.extend(map(int, children.split()))
    return found


def _resident(process: int) -> int:
    with suppress(OSError, IndexError):
        _, resident, shared, *_ = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()
        return (int(resident) - int(shared)) * _PAGE_BYTES
    return 0


def _proportional(process: int) -> int:
    with suppress(OSError):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss_Anon:"))
    return 0
