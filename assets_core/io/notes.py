"""Notes that only save time: written whole or not at all, and forgotten rather than trusted when they are damaged.

Used for what is remembered between commands. Nothing here is made durable.
"""

from __future__ import annotations

import os
from pathlib import Path


def write_note(target: Path, text: str) -> None:
    """Put a text in place of a note. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for leftover in target.parent.glob(f"{target.stem}.*.new"):  # of a process that died, or is about to be outrun
        leftover.unlink(missing_ok=True)
    draft = target.with_suffix(f".{os.getpid()}.new")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
