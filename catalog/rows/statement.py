"""One SQL statement of those that fill the tables, and when it is run.

Used by the other files of this folder and by apply.py; it must not know any table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL to run when a batch has records of one of the kinds.

    `$applied` is bound to the last sequence number applied before. `reads`: the kinds whose tables `<kind>_now` it
    names. `needs`: a table without whose rows there is nothing to do: then large tables are not looked through.
    """

    kinds: frozenset[str]
    sql: str
    reads: frozenset[str]
    needs: str | None = None


def on(kinds: str, sql: str, needs: str | None = None) -> Statement:
    """Return a statement for some kinds, separated by blanks."""
    return Statement(frozenset(kinds.split()), sql, frozenset(re.findall(r"\b([a-z_]+)_now\b", sql)), needs)
