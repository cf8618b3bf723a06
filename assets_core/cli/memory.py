"""How much memory this process and the processes that it started use now.

Used by the live view. Where there is no /proc, it is the most that this process ever used.
"""

from __future__ import annotations

import os
import resource
import sys
from collections import defaultdict
from pathlib import Path

_PARENT, _PAGES = 1, 21  # places in /proc/PID/stat, behind the name: process that started it, pages in memory
_KIB = 1_024


def used_bytes() -> int:
    """Return the memory in bytes; what processes share counts for each."""
    pages: dict[int, int] = {}
    started: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_bytes().rpartition(b") ")[2].split()
        except OSError:  # it has ended
            continue
        number = int(stat.parent.name)
        pages[number] = int(words[_PAGES])
        started[int(words[_PARENT])].append(number)
    if os.getpid() not in pages:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * _KIB
    found, left = 0, [os.getpid()]
    while left:
        number = left.pop()
        found += pages[number]
        left += started[number]
    return found * os.sysconf("SC_PAGE_SIZE")
