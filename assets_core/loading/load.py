"""Load a project's definitions: import its modules, read its SQL files, build the assets. Imports the project's code.

Called by `project.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..declare import Declaration, collecting
from ..errors import DefinitionError, DefinitionErrors, Place
from ..model.asset import Asset
from ..model.keys import AssetKey
from ..versions.code import CodeReader
from .build import Runtime, build
from .modules import import_file, use_project
from .sql_files import read_sql_file


@dataclass(frozen=True, slots=True)
class Loaded:
    """The assets of a project and what runs for each."""

    assets: tuple[Asset, ...]
    runtimes: dict[AssetKey, Runtime]


def load(root: Path, folder: Path) -> Loaded:
    """Return what a project declares; places are relative to its root.

    Raises: DefinitionErrors with everything that is wrong, in all files.
    """
    if not folder.is_dir():
        raise DefinitionErrors(
            [
                DefinitionError(
                    f"there is no folder {folder} for definitions",
                    place=Place("assets.toml"),
                    remedy="make it, or name another one as [project] definitions",
                )
            ]
        )
    errors: list[DefinitionError] = []
    use_project(root)
    with collecting() as declarations:
        for file in definition_files(folder):
            try:
                if file.suffix == ".py":
                    import_file(root, file)
                elif (declaration := read_sql_file(file)) is not None:
                    declarations.append(declaration)
            except DefinitionError as error:
                errors.append(error)
        built = build(declarations, CodeReader(lambda file: _is_project_file(root, file)))
    errors.extend(_without_echoes(built.errors, errors, declarations))
    if errors:
        raise DefinitionErrors([_relative(error, root) for error in errors])
    assets = tuple(replace(asset, place=_relative_place(asset.place, root)) for asset in built.assets)
    return Loaded(assets, built.runtimes)


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


def _without_echoes(
    found: list[DefinitionError], failed: list[DefinitionError], declarations: list[Declaration]
) -> list[DefinitionError]:
    """Leave out "unknown upstream" where a file that could not be loaded may well define it."""
    if not failed:
        return found
    sources = "\n".join(Path(error.place.file).read_text(encoding="utf-8", errors="replace") for error in failed)
    return [error for error in found if not _names_one_of(error, sources)]


def _names_one_of(error: DefinitionError, sources: str) -> bool:
    unknown = getattr(error, "unknown_upstream", None)
    return unknown is not None and unknown.rpartition("/")[2] in sources


def _relative_place(place: Place, root: Path) -> Place:
    path = Path(place.file)
    return Place(str(path.relative_to(root)), place.line) if path.is_relative_to(root) else place


def _relative(error: DefinitionError, root: Path) -> DefinitionError:
    return DefinitionError(error.what, place=_relative_place(error.place, root), remedy=error.remedy)
