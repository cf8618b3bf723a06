"""`assets gc`: remove the data that nobody needs."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import AsJson, ProjectFolder
from .output import print_json, print_table, say

_SHOWN_PARTITIONS = 3


def add_to(app: typer.Typer) -> None:
    app.command("gc")(gc)


def gc(
    keep_days: Annotated[
        int | None,
        typer.Option(min=0, help="Keep what was current within so many days. Default: [retention] keep_days, or 30."),
    ] = None,
    keep_versions: Annotated[
        int | None,
        typer.Option(min=1, help="Keep so many versions of each cell. Default: [retention] keep_versions, or 2."),
    ] = None,
    log_days: Annotated[
        int | None,
        typer.Option(min=0, help="Keep what steps said for so many days. Default: [retention] log_days, or 30."),
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Remove it; otherwise it is only printed.")] = False,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print the data that nobody needs, and remove it where --delete says so.

    What is current is never removed, nor what a run or a reader that is at work may still read. A version that was
    removed stays in the record of what happened, but can be neither shown nor rolled back to.

    Example: assets gc --keep-days 7 --delete
    """
    from datetime import UTC, datetime

    from ..keeping.collect import Kept, collect, unneeded
    from ..project import find_project

    found = find_project(project)
    settings = found.settings
    kept = Kept(
        settings.keep_days if keep_days is None else keep_days,
        settings.keep_versions if keep_versions is None else keep_versions,
        settings.log_days if log_days is None else log_days,
    )
    removed = (collect if delete else unneeded)(found, kept, datetime.now(UTC))
    total = sum(one.size_bytes for one in removed)
    if as_json:
        files = [
            {
                "asset": one.asset,
                "partitions": list(one.partitions),
                "version": one.version,
                "path": one.place,
                "bytes": one.size_bytes,
                "reason": one.reason,
            }
            for one in removed
        ]
        print_json({"deleted": delete, "bytes": total, "files": files})
        return
    if removed:
        rows = [
            [
                one.asset or one.place,
                _partitions(one.partitions),
                one.version and one.version[:12],
                one.size_bytes,
                one.reason,
            ]
            for one in removed
        ]
        print_table(["asset", "partition", "version", "bytes", "why nobody needs it"], rows)
    verb = "removed" if delete else "can be removed; to do it, add --delete"
    say(f"{len(removed)} files, {total} bytes {verb}" if removed else "nothing to remove")


def _partitions(keys: tuple[str | None, ...]) -> str:
    more = f" and {len(keys) - _SHOWN_PARTITIONS} more" if len(keys) > _SHOWN_PARTITIONS else ""
    return ", ".join(key or "" for key in keys[:_SHOWN_PARTITIONS]) + more
