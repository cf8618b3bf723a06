"""`assets rollback`: let cells go back to a version that they had before."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import AsJson, PartitionRange, ProjectFolder
from .output import print_json, print_table, say


def add_to(app: typer.Typer) -> None:
    app.command("rollback")(rollback)


def rollback(
    cells: Annotated[
        str, typer.Argument(metavar="CELL|SELECTION", help="asset@partition, or which assets as in `assets plan`.")
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="VERSION|TIME|POSITION",
            help="Six or more first digits of a version, a time (UTC unless it says), or a journal record.",
        ),
    ],
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")] = None,
    partitions: PartitionRange = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")] = False,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Let published cells go back to a version that they had before: all that are named, or none. No data is copied.

    What reads them, and what was made with other code or inputs than there are now, is stale afterwards: `assets plan`
    shows it, and the next run makes it anew.

    Example: assets rollback carrier_months@2013-01 --to 2026-01-31T08:00 --reason "bad rates"
    """
    from datetime import UTC, datetime

    from ..keeping.rollback import roll_back
    from ..project import find_project

    done = roll_back(
        find_project(project),
        cells,
        to,
        datetime.now(UTC),
        partitions=partitions,
        reason=reason,
        is_trial=dry_run,
    )
    moves = [
        {
            "asset": move.cell.asset,
            "partition": move.cell.partition,
            "from": move.now.version,
            "to": move.then.version,
            "made_at": move.then.made_at,
        }
        for move in done.moves
    ]
    if as_json:
        print_json({"moved": moves, "unchanged": done.unchanged, "record": done.seq, "dry_run": dry_run})
        return
    if moves:
        shown = [
            (move["asset"], move["partition"], str(move["from"])[:12], str(move["to"])[:12], move["made_at"])
            for move in moves
        ]
        print_table(["asset", "partition", "from", "to", "made (UTC)"], shown)
    cells_word = "cell" if len(moves) == 1 else "cells"
    told = f"{len(moves)} {cells_word} {'would go' if dry_run else 'went'} back, {done.unchanged} were there already"
    record = (
        ""
        if done.seq is None
        else (
            f" (record {done.seq}); `assets plan` tells what is stale now and why: a run makes it anew, these cells too"
        )
    )
    say(told + record)
