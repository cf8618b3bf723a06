"""How facts are printed: tables and bars on a terminal, tab-separated text otherwise, JSON where asked for.

Used by the commands. stdout is for data, stderr for talk.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain

from ..model.run import Failure, Progress, RunResult

_SECONDS_BETWEEN_LINES = 5.0
_GROUPS = 20  # of equal failures, blocks and warnings, that are worded one by one
_BLANKS = dict.fromkeys((*range(32), 127), " ")  # tabs and line breaks, and what a terminal would obey


def print_json(value: object) -> None:
    """Print one JSON value on a line: whole decimals as numbers, what JSON has no form for as text, NaN as null."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=_plain, allow_nan=False)
    except (TypeError, ValueError):  # a key that is no text, a number that is none
        text = json.dumps(_strict(value), ensure_ascii=False, default=_plain)
    sys.stdout.write(text + "\n")


def _plain(value: object) -> object:
    return int(value) if isinstance(value, Decimal) and value.as_tuple().exponent == 0 else str(value)


def _strict(value: object) -> object:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {str(name): _strict(member) for name, member in value.items()}
        case list() | tuple():
            return [_strict(member) for member in value]
        case _:
            return value


def say(text: str) -> None:
    """Talk to the person on stderr."""
    sys.stderr.write(text + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows: a table on a terminal, else a header and a line a row, separated by tabs."""
    if sys.stdout.isatty():
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        kept = [[_text(value) for value in row] for row in rows]
        told = [p for p in range(len(columns)) if not kept or any(row[p] for row in kept)]  # not the empty columns
        kept = [[row[p] for p in told] for row in kept]
        for position, column in enumerate([columns[p] for p in told]):
            numbers = all(_is_number(row[position]) for row in kept)
            table.add_column(Text(column), justify="right" if numbers and kept else "left", overflow="fold")
        for texts in kept:
            table.add_row(*(Text(value) for value in texts))  # Text: markup in a name is a name
        Console().print(table)
        return
    for row in chain([columns], rows):
        sys.stdout.write("\t".join(_text(value) for value in row) + "\n")


def _text(value: object) -> str:
    return "" if value is None else str(value).translate(_BLANKS)


def _is_number(text: str) -> bool:
    return not text or text.replace(",", "").replace(".", "", 1).lstrip("-").isdigit()


class ProgressLine:
    """Shows how far a run is on stderr: a bar with rate and time left on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._said_at = 0.0
        self._bar = _Bar() if sys.stderr.isatty() else None

    def __call__(self, progress: Progress) -> None:
        if self._bar is not None:
            self._bar.show(progress)
        elif progress.seconds - self._said_at >= _SECONDS_BETWEEN_LINES:
            self._said_at = progress.seconds
            say(f"{progress.settled}/{progress.planned} cells, {_rate(progress)}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _rate(progress: Progress) -> str:
    rate = progress.settled / progress.seconds if progress.seconds else 0.0
    left = (progress.planned - progress.settled) / rate if rate else 0.0
    return f"{rate:.0f}/s, {left:.0f} s left"


class _Bar:
    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("cells"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
        self._progress = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("cells", rate="")
        self._progress.start()

    def show(self, progress: Progress) -> None:
        self._progress.update(self._task, total=progress.planned, completed=progress.settled, rate=_rate(progress))

    def close(self) -> None:
        self._progress.stop()


def report(result: RunResult, *, as_json: bool) -> int:
    """Print what a run did and return the exit code: causes of failure first, then the numbers."""
    groups: dict[tuple[str, str, str], list[Failure]] = {}
    for failure in result.failures:
        groups.setdefault((failure.cell.asset, failure.error, failure.message), []).append(failure)
    for failures in list(groups.values())[:_GROUPS]:
        first = min(failures, key=lambda failure: failure.cell)
        more = f" and {_cells(len(failures) - 1)} more of it" if len(failures) > 1 else ""
        say(f"failed: {first.cell}{more}: {first.message}")
        if first.traceback:
            say("  " + first.traceback.rstrip().replace("\n", "\n  "))
    if len(groups) > _GROUPS:
        say(f"... and {len(groups) - _GROUPS} more failures of other kinds; `assets explain CELL` shows each")
    for reason, count in result.blocked_by.most_common(_GROUPS):
        say(f"blocked: {count} cell{'s' if count != 1 else ''} of {reason}")
    for warned in result.warned[:_GROUPS]:
        say(f"warning: {warned.cell}: {warned.check.message or warned.check.name}")
    if as_json:
        print_json(
            {
                "run": result.run,
                "made": result.made,
                "fresh": result.fresh,
                "failed": result.failed,
                "blocked": result.blocked,
                "withheld": result.withheld,
                "seconds": round(result.seconds, 3),
            }
        )
    elif result.run is None:
        say(f"nothing to do: {_cells(result.fresh)} fresh")
    else:
        numbers = f"{_cells(result.made)} made, {result.fresh} fresh, {result.failed} failed, {result.blocked} blocked"
        say(f"{numbers} in {result.seconds:.1f} s (run {result.run})")
    if result.withheld:
        say(f"nothing was published: {_cells(result.withheld)} that could be made are withheld, as --atomic asks")
    elif result.interrupted:
        say("interrupted: what was made is published; run the same command again to go on")
    if result.interrupted:
        return 130
    return 1 if result.failed or result.blocked else 0


def _cells(count: int) -> str:
    return f"{count} cell{'s' if count != 1 else ''}"


def print_line(text: str) -> None:
    """Print one line of facts on stdout."""
    sys.stdout.write(text + "\n")
