"""`assets logs`: what the steps of a run said, also while it goes on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from .app import AsJson, ProjectFolder
from .output import print_json, say, shown

_COLUMNS = ("time", "level", "stream", "cell", "attempt", "text")
_COLOURS = {"debug": "2", "info": "", "warning": "33", "error": "31", "critical": "1;31"}
_WIDEST_CELL = 40


def add_to(app: typer.Typer) -> None:
    app.command("logs")(logs)


def logs(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run, by the first letters of its name, or: latest.")
    ] = "latest",
    cell: Annotated[
        str | None, typer.Argument(metavar="CELL", help="Only of an asset, or of one of its cells: asset@partition.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run is over.")] = False,
    level: Annotated[
        str, typer.Option("--level", metavar="LEVEL", help="From this level on: debug, info, warning, error, critical.")
    ] = "debug",
    grep: Annotated[str, typer.Option("--grep", metavar="TEXT", help="Only lines with this text in them.")] = "",
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, help="Only of this attempt.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Not before: a time (UTC unless it says), or 15m, 2h.")
    ] = None,
    tail: Annotated[int | None, typer.Option("--tail", min=0, help="Only so many lines at the end.")] = None,
    full_traceback: Annotated[
        bool, typer.Option("--full-traceback", help="Tracebacks with the lines of assets-core and of libraries.")
    ] = False,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print what the steps of a run wrote to stdout, stderr and logging, with the tracebacks of what failed.

    Example: assets logs latest flights@2013-01-01 --level warning

    Example: assets logs --follow

    Example: assets logs 7c1f03 --grep "rows dropped" --tail 20
    """
    from datetime import UTC, datetime

    from ..errors import UserError, did_you_mean
    from ..keeping.logs import LEVELS, Wanted, followed, lines, log_folder, require_cell, since_time
    from ..model.keys import cell as parse_cell
    from ..project import find_project
    from ..runs import find_run

    if level not in LEVELS:
        raise UserError(f"there is no level {level!r}{did_you_mean(level, LEVELS)}", remedy=f"use {', '.join(LEVELS)}")
    found = find_project(project)
    name = find_run(found, run).run
    asked = None if cell is None else parse_cell(cell)
    if asked is not None:
        require_cell(found, asked)
    from_time = None if since is None else since_time(since, datetime.now(UTC))
    wanted = Wanted(asked, level, grep, attempt, from_time, tail)
    printer = _Printer(as_json=as_json, is_full=full_traceback)
    if follow:
        # Nothing is to be put away: so Ctrl-C ends it wherever it is, also in a library that would keep an exception.
        former = signal.signal(signal.SIGINT, lambda *_: os._exit(130))
        try:
            for some in followed(found, name, wanted):
                printer.print(some)
                sys.stdout.flush()
        finally:
            signal.signal(signal.SIGINT, former)
    else:
        printer.print(lines(log_folder(found, name), wanted))
    if not printer.count:
        is_narrow = wanted != Wanted(tail=tail)
        say(f"run {name[:8]}: {'no such line' if is_narrow else 'its steps have said nothing'}")


class _Printer:
    """Prints lines as they come: aligned and in colour on a terminal, else separated by tabs, or as JSON."""

    def __init__(self, *, as_json: bool, is_full: bool) -> None:
        self.count = 0
        self._as_json = as_json
        self._is_full = is_full
        self._is_terminal = sys.stdout.isatty()
        self._has_colours = self._is_terminal and not os.environ.get("NO_COLOR")
        self._width = 0

    def print(self, lines: Iterable[dict[str, Any]]) -> None:
        for line in lines:
            if self._as_json:
                print_json(line)
            else:
                self._print(line)
            self.count += 1

    def _print(self, line: dict[str, Any]) -> None:
        cell = line["asset"] if line["partition"] is None else f"{line['asset']}@{line['partition']}"
        text = line["full"].rstrip("\n") if self._is_full and "full" in line else line["text"]
        rows = text.split("\n")
        if self._is_terminal:
            self._print_aligned(line, shown(cell), rows)
            return
        if not self.count:
            sys.stdout.write("\t".join(_COLUMNS) + "\n")
        facts = (line["time"], line["level"], line["stream"], shown(cell), str(line["attempt"]))
        for row in rows:
            sys.stdout.write("\t".join((*facts, shown(row.replace("\t", " ")))) + "\n")

    def _print_aligned(self, line: dict[str, Any], cell: str, rows: list[str]) -> None:
        self._width = max(self._width, min(len(cell), _WIDEST_CELL))
        attempt = f" #{line['attempt']}" if line["attempt"] > 1 else ""
        level, time = line["level"], self._in("2", line["time"][11:23])
        head = f"{time} {self._in(_COLOURS[level], f'{level:<8}')} {self._in('36', cell.ljust(self._width))}{attempt}"
        for row in rows:
            colour = _COLOURS[level] if line["stream"] == "traceback" else ""
            sys.stdout.write(f"{head}  {self._in(colour, shown(row.expandtabs()))}\n")

    def _in(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and self._has_colours else text
