"""What a process needs in order to run steps, wherever it is: described in JSON, opened as a workshop.

Used by `conduct.py` for threads, by `worker.py` and by Dask's workers. It must not know the catalog or the journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from ..io.memory import RecentTables, Tables
from ..io.parquet_store import ParquetStore
from ..io.parquet_store import opened as opened_store
from ..io.shared_tables import NearTables, SharedTables
from ..loading.load import Loaded
from ..loading.runtime import Runtime
from ..model.asset import Asset
from ..model.keys import AssetKey
from ..project import STATE_FOLDER, Project, find_project
from ..steps.capture import capturing
from ..steps.wire import definitions_changed
from ..steps.work import Workshop


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker of one run is told; JSON values only.

    `root`: the project's folder. `store`: what `ParquetStore.describe` says. `sources`: the version of what reads its
    external assets. `staging`: a folder for what is not published. `memory_bytes`: of tables that one process keeps for
    its next steps. `shared`: the folder by which processes of one machine hand tables over, of `shared_bytes`; None:
    there is none.
    """

    root: str
    run: str
    store: Mapping[str, Any]
    sources: str
    staging: str
    memory_bytes: int
    shared: str | None = None
    shared_bytes: int = 0

    def among(self, processes: int) -> Setup:
        """Return it for each of some processes of one machine: what is handed over in memory goes through a folder."""
        shared = str(Path(self.staging) / "handed-over")
        own = self.memory_bytes // processes
        return replace(self, memory_bytes=own, shared=shared, shared_bytes=self.memory_bytes)

    def apart(self, name: str) -> Setup:
        """Return it with a place of its own for what is staged, so that this can be removed when a worker dies."""
        staging = str(Path(self.staging) / name)
        store = {**self.store, "staging": str(Path(self.store["staging"]) / name)}
        return replace(self, staging=staging, store=store)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; `Setup(**document)` is the inverse."""
        return asdict(self)


def setup_of(project: Project, run: str, store: ParquetStore) -> Setup:
    """Return what a worker of a run is told, where it has the machine for itself."""
    return Setup(
        root=str(project.root),
        run=run,
        store=store.describe(),
        sources=sources_version(project.loaded.assets),
        staging=str(store.staging),
        memory_bytes=project.settings.hand_off_bytes,
    )


def sources_version(assets: Iterable[Asset]) -> str:
    """Return one digest of the code that reads a project's external assets: a step names only those that it reads."""
    lines = sorted(f"{asset.key} {asset.code_version}\n" for asset in assets if asset.is_external)
    return hashlib.blake2b("".join(lines).encode(), digest_size=16).hexdigest()


def load_project(setup: Setup) -> Loaded:
    """Import the project's definitions, as a worker does once.

    Raises: DefinitionErrors, ProjectNotFound, AssetsError where what reads its external assets is another version.
    """
    from ..loading import load

    project = find_project(Path(setup.root))
    loaded = load.load(project.root, project.definitions, project.settings.configured)
    if sources_version(loaded.assets) != setup.sources:
        raise definitions_changed("an external asset")
    return loaded


def log_folder(setup: Setup) -> Path:
    """Return the folder for what the steps of a run say."""
    return Path(setup.root) / STATE_FOLDER / "logs" / setup.run


@contextmanager
def opened(setup: Setup, runtimes: Mapping[AssetKey, Runtime]) -> Iterator[Workshop]:
    """Open what the steps of one process share; what runs for the assets is loaded already."""
    recent: Tables = RecentTables(setup.memory_bytes)
    if setup.shared is not None:
        recent = NearTables(recent, SharedTables(Path(setup.shared), setup.shared_bytes))
    store = opened_store(setup.store, Path(setup.staging))
    with duckdb.connect(config={"enable_external_access": "false", "threads": "1"}) as connection:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")  # else data would depend on the zone of the machine
        with capturing(log_folder(setup)) as logbook:
            yield Workshop(store, recent, runtimes, connection, logbook=logbook, scratch=store.staging)
