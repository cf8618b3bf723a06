"""Find a project repo and load its definitions.

A project is a folder with `assets.toml` (or a `[tool.assets]` table in its `pyproject.toml`) and a folder of
definitions. Called by `materialize.py` and by every command. It must not know what will be done with the assets.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import AssetsError, DefinitionError, DefinitionErrors, Place, ProjectNotFound, did_you_mean
from .loading import remember
from .loading.configured import POOL_NAME, Configured
from .model.graph import Graph
from .model.handling import EXECUTORS
from .model.keys import AssetKey

if TYPE_CHECKING:  # loading them imports the project's libraries, which a plan does not need
    from catalog.session import Catalog

    from .io.data_folder import DataFolder, Owner, Storage
    from .loading.load import Loaded
    from .model.code_part import CodePart

STATE_FOLDER = ".assets"


@dataclass(frozen=True, slots=True)
class Settings:
    """What `assets.toml` says: [project] name, definitions, libraries; [parameters] of assets; [pools];
    [run] executor, threads, processes, hand_off_bytes, lease_seconds; [dask] address, workers;
    [audit] signing_key, trusted_keys, record_idle_runs; [retention] keep_days, keep_versions, journal_days, log_days;
    [storage] url, options."""

    name: str
    definitions: str = "definitions"
    threads: int = field(default_factory=lambda: (os.cpu_count() or 1) + 1)  # one more: steps wait for the disk
    executor: str = "threads"  # where steps run whose asset does not say otherwise
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    address: str | None = None  # of the scheduler of a Dask cluster; None: one is started on this machine
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)  # of a Dask cluster that is started
    hand_off_bytes: int = 512 * 1024 * 1024
    lease_seconds: int = 30  # a run that shows no sign of life for so long is taken for dead by others
    signing_key: str | None = None  # file of the Ed25519 key that signs seals, relative to the project
    trusted_keys: tuple[str, ...] = ()  # public keys that may sign, as hex digits; none: any
    keep_days: int = 30  # how long data is kept that is no longer current
    keep_versions: int = 2  # how many versions of each cell are kept however old they are
    journal_days: int | None = None  # records older than that which nothing needs lose their text; None: none do
    log_days: int = 30  # how long is kept what the steps of a run said
    record_idle_runs: bool = False  # whether a run that finds everything fresh is recorded, too
    storage: Storage | None = None  # where published data lies; None: beside its records
    configured: Configured = field(default_factory=Configured)  # libraries, parameters and pools


@dataclass(frozen=True)
class Project:
    """A project repo: where it is, what it says, what it declares."""

    root: Path
    settings: Settings

    @property
    def state(self) -> Path:
        """Return the folder of journal, catalog, lineage, and of data that does not lie elsewhere."""
        return self.root / STATE_FOLDER

    @cached_property
    def data(self) -> DataFolder:
        """Return the folder of published data, wherever it is.

        Raises: UserError.
        """
        from .io.data_folder import data_folder

        return data_folder(self.settings.storage, self.state, self._owner)

    @property
    def staging(self) -> Path:
        """Return the folder in which each run has one of its own for what is not published yet."""
        return self.data.staging(self.state / "staging")

    def _owner(self) -> Owner:
        from catalog.segments import read_lines

        from .io.data_folder import Owner

        first = next(read_lines(self.state / "journal"), None)
        return Owner(self.settings.name, "" if first is None else first.digest.hex())

    @cached_property
    def catalog(self) -> Catalog:
        """Return the project's journal and index; one for all questions of this process."""
        from catalog.session import Catalog  # a list of definitions needs no engine

        return Catalog(self.state)

    @property
    def definitions(self) -> Path:
        """Return the folder of definitions."""
        return self.root / self.settings.definitions

    @cached_property
    def graph(self) -> Graph:
        """Return the declared assets; remembered ones where no file that they came from has changed.

        Raises: DefinitionErrors with everything that is wrong.
        """
        assets = remember.recall(self.definitions, self.state, self.settings.configured)
        return Graph(self.loaded.assets if assets is None else assets)

    @cached_property
    def loaded(self) -> Loaded:
        """Return the assets with the functions that run for them: imports the project's code."""
        from .loading import load

        with remember.watching(self.root) as watch:
            loaded = load.load(self.root, self.definitions, self.settings.configured)
        remember.keep(self.definitions, self.state, self.settings.configured, loaded, watch)
        known = self.__dict__.get("graph")
        if known is not None and tuple(known.assets.values()) != tuple(Graph(loaded.assets).assets.values()):
            raise AssetsError(
                f"the definitions in {self.root} changed while they were in use",
                remedy="run the command again; it reads them anew",
            )
        return loaded

    def code_parts(self, key: AssetKey) -> tuple[CodePart, ...]:
        """Return what an asset's code version is made of, from memory where the project need not be imported."""
        asset = self.graph.assets[key]
        parts = None if "loaded" in self.__dict__ else remember.parts_of(self._remembered_code, asset)
        return self.loaded.parts[key] if parts is None else parts

    @cached_property
    def _remembered_code(self) -> Mapping[str, Any]:
        return remember.recall_code(self.state)


def find_project(start: Path | None = None) -> Project:
    """Return the project that holds a folder (the working directory unless given).

    Raises: ProjectNotFound, DefinitionErrors where the settings are wrong.
    """
    folder = (start or Path.cwd()).resolve()
    if not folder.exists():  # or else a slip of the pen would mean a project above it
        raise ProjectNotFound(f"there is no folder {folder}", remedy="name the folder of a project with --project")
    for root in (folder, *folder.parents):
        file = root / "assets.toml"
        if file.is_file():
            return Project(root, _settings(_read(file), file, root, ()))
        pyproject = root / "pyproject.toml"
        if pyproject.is_file() and (table := _read(pyproject).get("tool", {}).get("assets")) is not None:
            return Project(root, _settings(table, pyproject, root, ("tool", "assets")))
    raise ProjectNotFound(
        f"no project at {folder} or above it",
        remedy='write an assets.toml with [project] name = "...", or name the folder with --project',
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DefinitionErrors(
            [DefinitionError(f"the file is not TOML: {error}", place=Place(str(file)), remedy="correct it there")]
        ) from error


_MEMBERS: dict[str, dict[str, type]] = {
    "project": {"name": str, "definitions": str, "libraries": list},
    "run": {"executor": str, "threads": int, "processes": int, "hand_off_bytes": int, "lease_seconds": int},
    "dask": {"address": str, "workers": int},
    "audit": {"signing_key": str, "trusted_keys": list, "record_idle_runs": bool},
    "retention": {"keep_days": int, "keep_versions": int, "journal_days": int, "log_days": int},
    "storage": {"url": str, "options": dict},
}


_PARAMETERS = "parameters"  # a table for each asset, whose members are those of its function or query
_POOLS = "pools"  # the number of slots of each
_WANTED = {int: "a number above 0", str: "a text", list: "a list of texts", bool: "true or false", dict: "a table"}


def _is_usable(value: object) -> bool:
    match value:
        case bool():
            return True
        case int():
            return value >= 1
        case list():
            return all(isinstance(member, str) and member for member in value)
        case _:
            return value != ""


def _settings(document: Mapping[str, Any], file: Path, root: Path, table: tuple[str, ...]) -> Settings:
    errors: list[DefinitionError] = []

    def wrong(what: str, remedy: str) -> None:
        errors.append(DefinitionError(what, place=Place(str(file)), remedy=remedy))

    values: dict[str, Any] = {"name": root.name}
    parameters: dict[str, dict[str, object]] = {}
    pools: dict[str, int] = {}
    known = (*_MEMBERS, _PARAMETERS, _POOLS)
    for section, members in document.items():
        if section not in known or not isinstance(members, dict):
            wrong(f"there is no table [{section}]{did_you_mean(section, known)}", f"use {', '.join(known)}")
            continue
        for name, value in members.items():
            if section == _PARAMETERS:
                if isinstance(value, dict):
                    parameters[name] = value
                else:
                    wrong(f"[parameters] {name} = {value!r}", f'write [parameters."{name}"] and its parameters below')
                continue
            if section == _POOLS:
                if type(value) is int and value > 0 and POOL_NAME.fullmatch(name):
                    pools[name] = value
                else:
                    wrong(f"[pools] {name!r} = {value!r}", "name it by letters, digits, - and _, and give its slots")
                continue
            wanted = _MEMBERS[section].get(name)
            if wanted is None:
                near = did_you_mean(name, _MEMBERS[section])
                wrong(f"[{section}] has no member {name!r}{near}", f"use {', '.join(_MEMBERS[section])}")
            elif type(value) is not wanted or not _is_usable(value):
                wrong(f"[{section}] {name} = {value!r}", f"give {_WANTED[wanted]}")
            else:
                values[name] = tuple(value) if isinstance(value, list) else value
    if "executor" in values and values["executor"] not in EXECUTORS:
        near = did_you_mean(values["executor"], EXECUTORS)
        wrong(f"[run] executor = {values['executor']!r}{near}", f"use {', '.join(EXECUTORS)}")
    storage = _storage(values.pop("url", None), values.pop("options", {}), document, wrong)
    if errors:
        raise DefinitionErrors(errors)
    configured = Configured(parameters, values.pop("libraries", ()), pools, file, table)
    return Settings(**values, storage=storage, configured=configured)


def _storage(
    url: str | None, options: Mapping[str, Any], document: Mapping[str, Any], wrong: Callable[[str, str], None]
) -> Storage | None:
    if url is None:
        if "storage" in document:
            wrong("[storage] does not say where", 'give url = "s3://BUCKET/PREFIX"')
        return None
    from .io.data_folder import Storage

    storage = Storage(url, options)
    if (found := storage.wrong()) is not None:
        wrong(*found)
    return storage
