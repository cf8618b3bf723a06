"""What a step read of each of its inputs: the columns, found out while it runs.

Used by a step, and by what derives the same from a query. It must not know what becomes of the answer.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..model.reads import ColumnsRead

if TYPE_CHECKING:
    import polars as pl

# From this size on, a filter that reaches the files saves more (whole row groups) than following it there costs.
_LARGE_BYTES = 1 << 24


@dataclass(slots=True)
class Trace:
    """Notes what is read of one input, of which only the columns `declared` (None: all) are handed over.

    It starts out with everything; `follow` and `narrow` say what is known better.
    """

    declared: tuple[str, ...] | None
    _closed: ColumnsRead | None = None
    _watches: list[_Watch] = field(default_factory=list)

    def narrow(self, columns: ColumnsRead | None) -> None:
        """Say what is read, where it is known beforehand."""
        self._closed = columns

    def follow(self, frame: pl.LazyFrame, size_bytes: int) -> pl.LazyFrame:
        """Return the same frame; each execution of what is built on it notes the columns that it asks for.

        An execution is seen by a function of polars' own plan, past which columns are pushed down, but filters are not:
        so it is given what they need too. In a large frame, filters must reach the files. There the function stands
        beside the frame, on a row of nothing before it and after it, so that an execution which stops early meets one
        of them, and what is asked of the frame is asked of both.
        """
        if size_bytes < _LARGE_BYTES:
            watch = self._watch(passes=True)
            return frame.map_batches(
                watch, projection_pushdown=True, slice_pushdown=True, validate_output_schema=False, streamable=True
            )
        import polars as pl

        row = frame.collect_schema().to_frame().clear(1).lazy()
        first, last = (
            row.map_batches(
                self._watch(passes=False), projection_pushdown=True, validate_output_schema=False, streamable=True
            )
            for _ in range(2)
        )
        return pl.concat([first, frame, last])

    def _watch(self, *, passes: bool) -> _Watch:
        watch = _Watch(passes)
        self._watches.append(watch)
        return watch

    def columns(self) -> ColumnsRead | None:
        """Return what has been read until now; None where everything counts, also what is added later."""
        everything = None if self.declared is None else ColumnsRead(tuple(sorted(self.declared)), False)
        if self._closed is not None:
            return self._closed
        if not self._watches or any(watch.is_lost for watch in self._watches):
            return everything
        beside = [watch for watch in self._watches if not watch.passes]
        if beside and not any(watch.is_met for watch in beside):
            return everything  # nothing says that it was executed, or that it was not
        names: Collection[str] = set().union(*(watch.names for watch in self._watches))
        if everything is not None and len(names) == len(everything.names):
            return everything
        return ColumnsRead(tuple(sorted(names)), True)


@dataclass(slots=True, eq=False)
class _Watch:
    """A function of a plan that notes the columns it is called with. It passes its rows on, or takes them away."""

    passes: bool
    names: set[str] = field(default_factory=set)
    is_met: bool = False
    is_lost: bool = False

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        self.names.update(frame.columns)
        self.is_met = True
        return frame if self.passes else frame.clear()

    def __reduce__(self) -> tuple[type[_Watch], tuple[bool]]:
        """Give a copy: what a plan that is written out reads elsewhere is not seen here."""
        self.is_lost = True
        return _Watch, (self.passes,)
