"""How long a duration is that a definition names: `"24h"`, `"7d"`, a timedelta.

Called by `builder.py` and `handling.py`.
"""

from __future__ import annotations

import re
from datetime import timedelta

from ..errors import UserError

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d+)\s*([smhdw])", re.ASCII)


def seconds_of(name: str, duration: object) -> int:
    """Return the whole seconds of a duration, which was given as `name`.

    Raises: UserError where it is none, or shorter than a second.

    >>> seconds_of("wait", "1d 12h"), seconds_of("wait", timedelta(minutes=30))
    (129600, 1800)
    """
    seconds = 0
    if isinstance(duration, timedelta):
        seconds = int(duration.total_seconds())
    elif isinstance(duration, str) and not _DURATION.sub("", duration).strip():
        seconds = sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(duration))
    if seconds < 1:
        raise UserError(
            f"{name}={duration!r}",
            remedy='give a number with s, m, h, d or w, as in "24h" or "7d", or a timedelta',
        )
    return seconds
