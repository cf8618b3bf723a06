"""How facts are printed: tables and bars on a terminal, tab-separated text otherwise, JSON where asked for.

Used by the commands. stdout is for data, stderr for talk.
"""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import chain

from ..model.handling import CHECK_FAILED
from ..model.run import Failure, RunResult

_GROUPS = 20  # of equal failures, blocks and warnings, that are worded one by one
_FIRST_LINES, _LAST_LINES, _LINE_LETTERS = 10, 30, 1_000  # of a message or a traceback
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
    """Talk to the person on stderr; where nobody listens any more, that is no reason to end."""
    with suppress(OSError):
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


def shown(text: str, *, is_ascii: bool = False) -> str:
    """Return a text with what a terminal would obey, or not show, as escapes: line breaks, too, and marks of direction.

    `is_ascii`: the terminal shows ASCII only.
    """
    if text.isprintable() and (not is_ascii or text.isascii()):
        return text
    return "".join(
        letter if letter.isprintable() and (not is_ascii or letter.isascii()) else _escape(letter) for letter in text
    )


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def result_json(result: RunResult) -> dict[str, object]:
    """Return what a run did as the JSON object that is documented."""
    return {
        "run": result.run,
        "made": result.made,
        "fresh": result.fresh,
        "failed": result.failed,
        "blocked": result.blocked,
        "withheld": result.withheld,
        "retried": result.retried,
        "left": result.left,
        "seconds": round(result.seconds, 3),
    }


def report(result: RunResult, *, as_json: bool) -> int:
    """Print what a run did and return the exit code: causes of failure first, then the numbers."""
    groups: dict[tuple[str, str, str], list[Failure]] = {}
    for failure in result.failures:
        groups.setdefault((failure.cell.asset, failure.error, failure.message), []).append(failure)
    for failures in list(groups.values())[:_GROUPS]:
        first = min(failures, key=lambda failure: failure.cell)
        more = f" and {cells_text(len(failures) - 1)} more of it" if len(failures) > 1 else ""
        say(f"failed: {shown(str(first.cell))}{more}: {_bounded(first.message)}")
        if first.traceback:
            say("  " + _bounded(first.traceback))
        if result.run is not None and first.error != CHECK_FAILED:
            say(f"  what it said: assets logs {result.run[:8]} {shown(shlex.quote(str(first.cell)))}")
    if len(groups) > _GROUPS:
        say(f"... and {len(groups) - _GROUPS} more failures of other kinds; `assets explain CELL` shows each")
    for reason, count in result.blocked_by.most_common(_GROUPS):
        say(f"blocked: {cells_text(count)} of {shown(reason)}")
    if len(result.blocked_by) > _GROUPS:
        say(f"... and {len(result.blocked_by) - _GROUPS} more reasons; `assets explain CELL` shows each")
    for warned in result.warned[:_GROUPS]:
        say(f"warning: {shown(str(warned.cell))}: {_bounded(warned.check.message or warned.check.name)}")
    if len(result.warned) > _GROUPS:
        say(f"... and {len(result.warned) - _GROUPS} more warnings; `assets explain CELL` shows each")
    if as_json:
        print_json(result_json(result))
    elif result.run is None:
        say(f"nothing to do: {cells_text(result.fresh)} fresh")
    else:
        numbers = (
            f"{cells_text(result.made)} made, {result.fresh} fresh, {result.failed} failed, {result.blocked} blocked"
        )
        say(f"{numbers} in {result.seconds:.1f} s (run {result.run})")
    for remark in _remarks(result):
        say(remark)
    if result.interrupted:
        return 130
    return 1 if result.failed or result.blocked else 0


def _remarks(result: RunResult) -> Iterator[str]:
    """Yield what the numbers do not say."""
    if result.retried:
        times = f"{result.retried} attempt{'s' if result.retried != 1 else ''}"
        yield f"retried: {times} failed and were followed by another"
    if result.left:
        yield f"left: {cells_text(result.left)} not come to"
    if result.withheld:
        yield f"nothing was published: {cells_text(result.withheld)} that could be made are withheld, as --atomic asks"
    again = "run the same command again to go on"
    if result.interrupted:
        kept = "" if result.withheld else "what was made is published; "
        yield f"{'cancelled' if result.cancelled else 'interrupted'}: {kept}{again}"
    elif result.left:
        yield f"stopped at the first failure: {again}"


def _bounded(text: str) -> str:
    """Return lines that can be shown, indented but for the first: the beginning and the end, where they are many."""
    lines = text.expandtabs().strip("\r\n").splitlines() or [""]
    if len(lines) > _FIRST_LINES + _LAST_LINES:
        skipped = (
            f"... {len(lines) - _FIRST_LINES - _LAST_LINES} lines are left out; `assets explain CELL` shows them ..."
        )
        lines = [*lines[:_FIRST_LINES], skipped, *lines[-_LAST_LINES:]]
    cut = [line if len(line) <= _LINE_LETTERS else f"{line[:_LINE_LETTERS]} ..." for line in lines]
    return "\n  ".join(shown(line) for line in cut)


def cells_text(count: int) -> str:
    """Return a number of cells in words."""
    return f"{count} cell{'s' if count != 1 else ''}"


def print_line(text: str) -> None:
    """Print one line of facts on stdout."""
    sys.stdout.write(text + "\n")
