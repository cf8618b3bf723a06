"""From an exception to the outcome of the cell that it ended: its kind, its message, and where in the project it arose.

Called by `step.py` and `batches.py`.
"""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

from ..errors import AssetsError
from ..model.asset import Asset
from .logs import note_failure
from .secrets import masked
from .work import CellOutcome

_TRACEBACK_CHARACTERS = 8_000


def failed(asset: Asset, ordinal: int, error: BaseException) -> CellOutcome:
    """Return the outcome of a cell that an exception ended; its traceback begins with the first frame of the project.

    A query, or a lazy frame that runs when its function has returned, has no such frame: then the declaration is named.
    """
    paths = sysconfig.get_paths()
    own = str(Path(__file__).parents[1])
    foreign = (own, *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")))
    frames = traceback.extract_tb(error.__traceback__)
    first = next((n for n, frame in enumerate(frames) if not frame.filename.startswith(foreign)), len(frames))
    shown = [frame for frame in frames[first:] if not frame.filename.startswith(own)]
    ending = traceback.format_exception_only(error)
    lines = [*traceback.format_list(shown), *ending] if shown else [f"  declared at {asset.place}\n"]
    message = _text(str(error) if isinstance(error, AssetsError) else "".join(ending).strip())
    text = _text("".join(lines))
    note_failure(error, text)
    return CellOutcome(
        ordinal,
        error=type(error).__name__,
        message=message[:_TRACEBACK_CHARACTERS],
        traceback=text[-_TRACEBACK_CHARACTERS:],
        kinds=tuple(kind.__name__ for kind in type(error).__mro__[:-1]),
    )


def _text(text: str) -> str:
    """Return a text that can be recorded: without secrets, and without half a surrogate pair."""
    return masked(text).encode("utf-8", "backslashreplace").decode("utf-8")
