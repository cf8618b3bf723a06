"""Answers which functions, globals, parameters or libraries differ between two versions of an asset's code, and how.

Called by whoever explains a changed code version. It must not know where the parts come from: texts may be cut, or
not be known.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..model.code_part import CodePart


@dataclass(frozen=True, slots=True)
class PartChange:
    """One part that is not what it was; the texts are None where there is none, or where none is known."""

    kind: str
    name: str
    change: Literal["added", "removed", "changed"]
    before: str | None
    now: str | None

    def diff(self) -> list[str]:
        """Return the lines of a unified diff of the normalised texts; a line in brackets says what cannot be shown.

        >>> PartChange("global", "shop:RATE", "changed", "RATE = 1", "RATE = 2").diff()
        ['--- before', '+++ now', '@@ -1 +1 @@', '-RATE = 1', '+RATE = 2']
        """
        notes = []
        if self.before is None and self.change != "added":
            notes.append("(what it said before is not known: only its digest is)")
        if self.now is None and self.change != "removed":
            notes.append("(what it says now is not known: only its digest is)")
        before, now = (self.before or "").splitlines(), (self.now or "").splitlines()
        if notes:  # what is known is shown as it stands: nothing says that it was added
            return [*notes, *(f" {line}" for line in (*before, *now))]
        if before == now and self.change == "changed":
            return [self._of_equal_texts()]
        return list(difflib.unified_diff(before, now, "before", "now", lineterm=""))

    def _of_equal_texts(self) -> str:
        if self.now and self.now.rpartition("\n")[2].startswith("# (cut: "):
            return "(the difference lies behind the place where the text was cut)"
        return "(it says the same, but of two things of one name it uses another one than before)"


def compare(before: Sequence[CodePart], now: Sequence[CodePart]) -> tuple[PartChange, ...]:
    """Return what differs, sorted by kind and name; a part under another name is removed and added."""
    old, new = ({(part.kind, part.name): part for part in parts} for parts in (before, now))
    changes = []
    for kind, name in sorted(old.keys() | new.keys()):
        was, is_now = old.get((kind, name)), new.get((kind, name))
        if was is None and is_now is not None:
            changes.append(PartChange(kind, name, "added", None, is_now.text))
        elif was is not None and is_now is None:
            changes.append(PartChange(kind, name, "removed", was.text, None))
        elif was is not None and is_now is not None and was.digest != is_now.digest:
            changes.append(PartChange(kind, name, "changed", was.text, is_now.text))
    return tuple(changes)
