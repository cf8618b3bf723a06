"""Restore: make the state of a project from the newest backup at a place, proved while it is copied, or nothing.

Called by `assets catalog restore`. It must not know how a backup is made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog import head
from catalog.audit import prove
from catalog.errors import disk_errors
from catalog.locks import held
from catalog.queries import load as query
from catalog.segments import segments
from catalog.session import Catalog

from ..errors import AssetsError, UserError
from ..io.data_folder import DataFolder
from ..io.local_folder import LocalFolder, make_durable
from ..project import Project
from .destination import Destination
from .manifest import Manifest, fetch, manifests


@dataclass(frozen=True, slots=True)
class Restored:
    """Which backup a project was made from, and the records that were proved.

    `gone`: files of data that lies elsewhere, and is not there any more.
    """

    manifest: Manifest
    records: int
    gone: tuple[str, ...] = ()


def restore(project: Project, there: Destination) -> Restored:
    """Give a project that has no journal the state of the newest backup.

    *Raises* UserError, BackupDamaged, CatalogError; the project is then as it was.
    """
    manifest = next(manifests(there, there.sizes()), None)
    if manifest is None:
        raise UserError(f"{there} holds no backup", remedy="name the place that `assets catalog backup` was given")
    _require_no_journal(project.state)
    _require_same_storage(project, there, manifest)
    draft = project.state.with_name(f"{project.state.name}.restoring")
    with disk_errors(draft):
        draft.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with held(descriptor, draft, exclusive=True), disk_errors(draft):
            try:
                _empty(draft)
                data = LocalFolder(draft / "data") if manifest.data is None else project.data
                records, gone = _build(there, manifest, draft, data, project.settings.trusted_keys)
                _put_in_place(draft, project.state)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    finally:
        os.close(descriptor)
    return Restored(manifest, records, gone)


def _require_no_journal(state: Path) -> None:
    journal, data = state / "journal", state / "data"
    for folder, is_used in ((journal, bool(segments(journal))), (data, data.is_dir() and any(data.iterdir()))):
        if is_used:
            raise UserError(
                f"{folder} is there already, and would be overwritten",
                remedy="restore into a folder that has the definitions only, or move the .assets folder away first",
            )


def _require_same_storage(project: Project, there: Destination, manifest: Manifest) -> None:
    """Refuse records without their data, and data where it would not be looked for."""
    storage = project.settings.storage
    if manifest.data is not None and storage is None:
        raise UserError(
            f"{there}: {manifest.name} holds the records alone: their data lies at {manifest.data.url}",
            remedy=f'say in assets.toml: [storage] url = "{manifest.data.url}", or where a copy of it lies',
        )
    if manifest.data is None and storage is not None:
        raise UserError(
            f"{there}: {manifest.name} holds the data itself, and [storage] says that it lies at {storage.url}",
            remedy="restore without [storage], copy .assets/data there, and then set it",
        )


def _build(
    there: Destination, manifest: Manifest, draft: Path, data: DataFolder, trusted_keys: Sequence[str]
) -> tuple[int, tuple[str, ...]]:
    """Make the whole state, durable, and prove it; return the number of records, and data elsewhere that is gone."""
    fetch(there, manifest, draft, with_data=True)
    with (draft / "journal" / head.NAME).open("wb") as file:
        head.write(file.fileno(), manifest.place)
        os.fsync(file.fileno())
    catalog = Catalog(draft)
    catalog.rebuild()
    proof = prove(draft / "journal", trusted_keys=trusted_keys)
    files = _files(catalog)
    wrong = [str(problem) for problem in proof.problems]
    if manifest.data is None:
        wrong = wrong or _wrong_data(data, files)
    if wrong:
        raise AssetsError(
            f"{there}: {manifest.name}: {wrong[0]}",
            remedy="it was wrong already when it was backed up, or was altered with its manifest: restore an older one",
        )
    for folder, _, _ in os.walk(draft):
        make_durable(Path(folder))
    if manifest.data is None:
        return proof.records, ()
    # What is there is not read: the next plan does, since nothing is noted of it yet.
    names = [name for name, *_ in files]
    absent = [name for name, stat in zip(names, data.stats(names), strict=True) if stat is None]
    return proof.records, tuple(data.place(name) for name in absent)


def _files(catalog: Catalog) -> list[tuple[str, str, list[str]]]:
    """Return the files that the journal speaks of, with their versions and the digests of their bytes."""
    with catalog.read() as connection:
        rows = connection.sql(query("published_files")).fetchall()
    return [(file, version, digests) for _, _, version, file, _, digests in rows]


def _wrong_data(data: DataFolder, files: Sequence[tuple[str, str, list[str]]]) -> list[str]:
    """Return the files that are there and not what the journal knows them by."""
    there = data.stats([name for name, *_ in files])
    found = (one for one, stat in zip(files, there, strict=True) if stat is not None)
    return [f"{data.place(one[0])}: {wrong}" for one in found if (wrong := data.wrong_with(*one))]


def _put_in_place(draft: Path, state: Path) -> None:
    """Give the new state its name, while nobody can append to a journal there.

    What was there holds nothing that cannot be made again; should a run have begun meanwhile, it is kept, and said.
    """
    aside = state.with_name(f"{state.name}.before-restore")
    _empty(aside)
    (state / "journal").mkdir(parents=True, exist_ok=True)
    lock = state / "journal" / head.NAME
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with held(descriptor, lock, exclusive=True):
            _require_no_journal(state)
            state.rename(aside)
            draft.rename(state)
    finally:
        os.close(descriptor)
    make_durable(state.parent)
    try:
        _require_no_journal(aside)
    except UserError as error:
        raise AssetsError(
            f"the backup is restored, but a run began meanwhile: what it made is in {aside}",
            remedy="materialize again; then remove that folder",
        ) from error
    shutil.rmtree(aside, ignore_errors=True)


def _empty(folder: Path) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
