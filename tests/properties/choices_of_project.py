"""Draw a random project, and random edits of it, that the product accepts.

Used by the property tests. Whether a mapping is accepted is asked of the product; what it then means is not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy], object]

REGIONS = ("eu", "us", "apac")
BASES = (
    ("UTC", date(2021, 3, 28)),
    ("Europe/Berlin", date(2021, 3, 28)),
    ("Europe/Berlin", date(2021, 10, 31)),
    ("America/New_York", date(2021, 3, 14)),
)
HAND_OFFS = ("pl.DataFrame", "pl.LazyFrame", "pa.Table", "pa.RecordBatchReader", "duckdb.DuckDBPyRelation")
SEVERITIES = ("error", "error", "warn")


class Chooser:
    """Makes the choices of one example, all by `draw`, so that a failing example can be made smaller."""

    def __init__(self, draw: Callable[..., object]) -> None:
        self._draw = draw
        self.tz, self.base = self.one_of(BASES)

    def one_of(self, options: object) -> object: ...
