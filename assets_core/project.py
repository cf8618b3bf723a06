"""Find a project repo and load its definitions.

A project is a folder with `assets.toml` (or a `[tool.assets]` table in its `pyproject.toml`) and a folder of
definitions. Called by `materialize.py` and by every command. It must not know what will be done with the assets.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import AssetsError, DefinitionError, DefinitionErrors, Place, ProjectNotFound, did_you_mean
from .loading import remember
from .model.graph import Graph

if TYPE_CHECKING:  # loading them imports the project's libraries, which a plan does not need
    from .loading.load import Loaded

STATE_FOLDER = ".assets"


@dataclass(frozen=True, slots=True)
class Settings:
    """What `assets.toml` says: [project] name, definitions; [run] threads, hand_off_bytes, lease_seconds;
    [audit] signing_key, trusted_keys; [retention] keep_days, keep_versions,
    journal_days."""

    name: str
    definitions: str = "definitions"
    threads: int = field(default_factory=lambda: (os.cpu_count() or 1) + 1)  # one more: steps wait for the disk
    hand_off_bytes: int = 512 * 1024 * 1024
    lease_seconds: int = 30  # a run that shows no sign of life for so long is taken for dead by others
    signing_key: str | None = None  # file of the Ed25519 key that signs seals, relative to the project
    trusted_keys: tuple[str, ...] = ()  # public keys that may sign, as hex digits; none: any
    keep_days: int = 30  # how long data is kept that is no longer current
    keep_versions: int = 2  # how many versions of each cell are kept however old they are
    journal_days: int | None = None  # records older than that which nothing needs lose their text; None: none do


@dataclass(frozen=True)
class Project:
    """A project repo: where it is, what it says, what it declares."""

    root: Path
    settings: Settings

    @property
    def state(self) -> Path:
        """Return the folder of journal, catalog, data and lineage."""
        return self.root / STATE_FOLDER

    @property
    def definitions(self) -> Path:
        """Return the folder of definitions."""
        return self.root / self.settings.definitions

    @cached_property
    def graph(self) -> Graph:
        """Return the declared assets; remembered ones where no file that they came from has changed.

        Raises: DefinitionErrors with everything that is wrong.
        """
        assets = remember.recall(self.definitions, self.state)
        return Graph(self.loaded.assets if assets is None else assets)

    @cached_property
    def loaded(self) -> Loaded:
        """Return the assets with the functions that run for them: imports the project's code."""
        from .loading import load

        with remember.watching(self.root) as watch:
            loaded = load.load(self.root, self.definitions)
        remember.keep(self.definitions, self.state, loaded.assets, watch)
        known = self.__dict__.get("graph")
        if known is not None and tuple(known.assets.values()) != tuple(Graph(loaded.assets).assets.values()):
            raise AssetsError(
                f"the definitions in {self.root} changed while they were in use",
                remedy="run the command again; it reads them anew",
            )
        return loaded


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
            return Project(root, _settings(_read(file), file, root))
        pyproject = root / "pyproject.toml"
        if pyproject.is_file() and (table := _read(pyproject).get("tool", {}).get("assets")) is not None:
            return Project(root, _settings(table, pyproject, root))
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
    "project": {"name": str, "definitions": str},
    "run": {"threads": int, "hand_off_bytes": int, "lease_seconds": int},
    "audit": {"signing_key": str, "trusted_keys": list},
    "retention": {"keep_days": int, "keep_versions": int, "journal_days": int},
}


_WANTED = {int: "a number above 0", str: "a text", list: "a list of texts"}


def _is_usable(value: object) -> bool:
    match value:
        case int():
            return value >= 1
        case list():
            return all(isinstance(member, str) and member for member in value)
        case _:
            return value != ""


def _settings(document: Mapping[str, Any], file: Path, root: Path) -> Settings:
    errors: list[DefinitionError] = []

    def wrong(what: str, remedy: str) -> None:
        errors.append(DefinitionError(what, place=Place(str(file)), remedy=remedy))

    values: dict[str, Any] = {"name": root.name}
    for table, members in document.items():
        if table not in _MEMBERS or not isinstance(members, dict):
            wrong(f"there is no table [{table}]{did_you_mean(table, _MEMBERS)}", f"use {', '.join(_MEMBERS)}")
            continue
        for name, value in members.items():
            wanted = _MEMBERS[table].get(name)
            if wanted is None:
                near = did_you_mean(name, _MEMBERS[table])
                wrong(f"[{table}] has no member {name!r}{near}", f"use {', '.join(_MEMBERS[table])}")
            elif type(value) is not wanted or not _is_usable(value):
                wrong(f"[{table}] {name} = {value!r}", f"give {_WANTED[wanted]}")
            else:
                values[name] = tuple(value) if isinstance(value, list) else value
    if errors:
        raise DefinitionErrors(errors)
    return Settings(**values)
