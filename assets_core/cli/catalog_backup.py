"""`assets catalog backup` and `assets catalog restore`: copy the record and the data elsewhere, and bring them back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from .app import AsJson, ProjectFolder
from .output import print_json, say

Place = Annotated[str, typer.Argument(metavar="PLACE", help="A folder, or an s3://, gs:// or az:// URL.")]


def backup(place: Place, as_json: AsJson = False, project: ProjectFolder = None) -> None:
    """Copy the journal and all published data, also while runs go on; read it all back and prove it.

    What is there already is not copied again. Data that [storage] in assets.toml keeps elsewhere is not copied, but has
    to be there. Credentials and endpoint of an object store come from the environment.

    Example: assets catalog backup s3://backups/flights
    """
    from ..keeping.backup import back_up
    from ..keeping.destination import destination
    from ..project import find_project

    done = back_up(find_project(project), destination(place), datetime.now(UTC))
    manifest = done.manifest
    size = sum(entry.size for entry in manifest.files)
    if as_json:
        print_json(
            {
                "backup": manifest.name,
                "record": manifest.place.seq,
                "digest": manifest.place.digest.hex(),
                "files": len(manifest.files),
                "bytes": size,
                "copied": done.copied,
                "copied_bytes": done.copied_bytes,
                "gone": list(done.gone),
                "data": None if manifest.data is None else asdict(manifest.data),
            }
        )
        return
    for name in done.gone:
        say(f"note: {name} is left out: it belongs to an old version, and is not here any more")
    say(
        f"{manifest.name}: {len(manifest.files)} files, {size} bytes, up to record {manifest.place.seq}, read back and"
        f" proved; {done.copied} of them ({done.copied_bytes} bytes) were copied now"
    )
    if (data := manifest.data) is not None:
        say(f"note: the data is not part of it: {data.files} files, {data.bytes} bytes at {data.url}")


def restore(place: Place, as_json: AsJson = False, project: ProjectFolder = None) -> None:
    """Bring the newest backup into a project that has no journal; every file is proved on the way.

    Example: assets catalog restore s3://backups/flights --project flights
    """
    from ..keeping.destination import destination
    from ..keeping.restore import restore as bring_back
    from ..project import find_project

    done = bring_back(find_project(project), destination(place))
    if as_json:
        print_json(
            {
                "backup": done.manifest.name,
                "records": done.records,
                "files": len(done.manifest.files),
                "gone": list(done.gone),
            }
        )
        return
    for place in done.gone:
        say(f"note: {place} is not there any more: its cells are made again by the next run")
    say(
        f"{done.manifest.name} of {done.manifest.project}, made {done.manifest.at}: {len(done.manifest.files)} files"
        f" and {done.records} records restored and proved"
    )
