"""Load a project's definitions: import its modules, read its SQL files, build the assets. Imports the project's code.

Called by `project.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

from ..declare import CheckDeclaration, Declaration, collecting, keys_of
from ..errors import DefinitionError, DefinitionErrors, Place, UnknownUpstream
from ..model.asset import Asset
from ..model.code_part import CodePart
from ..model.keys import AssetKey
from ..versions.code import CodeReader
from .build import build
from .configured import Configured
from .modules import import_file, use_project
from .parameters import unknown_assets
from .runtime import Runtime
from .sql_files import read_sql_file


@dataclass(frozen=True, slots=True)
class Loaded:
    """The assets of a project, what runs for each, what the code of each is made of.

    `libraries`: the distributions whose versions count for some asset.
    """

    assets: tuple[Asset, ...]
    runtimes: dict[AssetKey, Runtime]
    parts: dict[AssetKey, tuple[CodePart, ...]]
    libraries: Mapping[str, str]


def load(root: Path, folder: Path, configured: Configured) -> Loaded:
    """Return what a project declares; places are relative to its root.

    Raises: DefinitionErrors with everything that is wrong, in all files.
    """
    if not folder.is_dir():
        raise _refusal(
            f"there is no folder {folder} for definitions", "make it, or name another one as [project] definitions"
        )
    if not Path(os.path.normpath(folder)).is_relative_to(root):
        raise _refusal(f"the folder of definitions {folder} is outside of the project", "name one inside of it")
    errors: list[DefinitionError] = []
    unread: list[str] = []
    use_project(root)
    with collecting() as declarations, redirect_stdout(sys.stderr):  # stdout is for facts, not for what a module prints
        for file in definition_files(folder):
            try:
                if file.suffix == ".py":
                    import_file(root, file)
                elif (declaration := read_sql_file(file)) is not None:
                    declarations.append(declaration)
            except DefinitionError as error:
                errors.append(DefinitionError(error.what, place=_relative(error.place, root), remedy=error.remedy))
                unread.append(file.read_text(encoding="utf-8", errors="replace"))
        placed = [_placed(declaration, root) for declaration in declarations]
        built = build(placed, CodeReader(lambda file: _is_project_file(root, file)), configured)
    errors.extend(error for error in built.errors if not _may_be_an_echo(error, unread))
    if not unread:  # or else an asset may be unknown only because its file could not be loaded
        errors.extend(unknown_assets(keys_of(declarations), configured))
    if errors:
        raise DefinitionErrors(errors)
    if not built.assets:
        raise _refusal(f"nothing in {folder} declares an asset", "write @asset() above a function in a .py file there")
    return Loaded(tuple(built.assets), built.runtimes, built.parts, built.libraries)


def _refusal(what: str, remedy: str) -> DefinitionErrors:
    return DefinitionErrors([DefinitionError(what, place=Place("assets.toml"), remedy=remedy)])


def definition_files(folder: Path) -> Iterator[Path]:
    """Yield the .py and .sql files of a folder of definitions: Python first, each kind in the order of names."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".py", ".sql")
        and path.is_file()
        and not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
    ]
    yield from (path for path in files if path.suffix == ".py")
    yield from (path for path in files if path.suffix == ".sql")


def _is_project_file(root: Path, file: str) -> bool:
    path = Path(file)
    return path.is_relative_to(root) and not any(
        part.startswith(".") or part == "site-packages" for part in path.relative_to(root).parts
    )


def _may_be_an_echo(error: DefinitionError, unread: list[str]) -> bool:
    """Tell whether an upstream is unknown perhaps only because a file that names it could not be loaded."""
    return isinstance(error, UnknownUpstream) and any(error.upstream.rpartition("/")[2] in text for text in unread)


def _placed(declaration: Declaration, root: Path) -> Declaration:
    """Return a declaration with its place relative to the project."""
    if isinstance(declaration, CheckDeclaration):
        return replace(declaration, place=_relative(declaration.place, root))
    return replace(declaration, about=replace(declaration.about, place=_relative(declaration.about.place, root)))


def _relative(place: Place, root: Path) -> Place:
    path = Path(place.file)
    return Place(str(path.relative_to(root)), place.line) if path.is_relative_to(root) else place
