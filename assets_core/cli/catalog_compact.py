"""`assets catalog compact`: compress the journal, and drop the texts of old records where that is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from .app import AsJson, ProjectFolder
from .output import print_json, say


def compact(
    prune_before: Annotated[
        str | None,
        typer.Option(
            metavar="DAYS|DATE",
            help="Drop the texts of older records that nothing needs. Default: [retention] journal_days, or none.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be dropped.")] = False,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Compress the closed segments of the journal; what is in them stays provable.

    Example: assets catalog compact --prune-before 90
    """
    from ..keeping.retention import compact as compact_journal
    from ..keeping.retention import horizon
    from ..project import find_project

    found, now = find_project(project), datetime.now(UTC)
    before = horizon(prune_before, found.settings.journal_days, now)
    done = compact_journal(found, before, now, is_trial=dry_run)
    pruned, compacted = done.pruned, done.compacted
    if as_json:
        print_json(
            {
                "segments": compacted.segments,
                "bytes_before": compacted.bytes_before,
                "bytes_after": compacted.bytes_after,
                "pruned": {
                    "before": pruned.before,
                    "dry_run": dry_run,
                    "segments": pruned.segments,
                    "texts": pruned.dropped,
                    "bytes_before": pruned.bytes_before,
                    "bytes_after": pruned.bytes_after,
                },
            }
        )
        return
    if pruned.before is not None:
        would = "would lose" if dry_run else "lost"
        sizes = "" if dry_run else f", {pruned.bytes_before} bytes before, {pruned.bytes_after} after"
        say(f"{pruned.dropped} records of {pruned.segments} segments {would} their text{sizes}")
    if not dry_run:
        say(
            f"{compacted.segments} segments compressed, {compacted.bytes_before} bytes before, "
            f"{compacted.bytes_after} after"
        )
