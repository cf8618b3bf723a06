"""Import a project's modules by path, always from their source, with the project last on the search path.

Called by `load.py`. It must not know what the modules declare.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import traceback
from pathlib import Path
from types import ModuleType

from ..errors import AssetsError, DefinitionError, Place

_OWN_PACKAGES = ("assets_core", "catalog", "connectors")


class _SourceOnly(importlib.machinery.SourceFileLoader):
    """Compile from source each time: byte code is matched by whole seconds and sizes, a quick edit could hide."""

    def path_stats(self, path: str) -> dict[str, float]:
        raise OSError(path)


class _ProjectHook:
    """The path hook of the project in use: folders below its root are imported by `_SourceOnly`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, path: str) -> importlib.machinery.FileFinder:
        if not Path(path).is_relative_to(self.root):
            raise ImportError(path)
        return importlib.machinery.FileFinder(path, (_SourceOnly, importlib.machinery.SOURCE_SUFFIXES))


def use_project(root: Path) -> None:
    """Make the project importable until another one is used, behind everything installed, its modules unread.

    Functions may import the project's modules when they run, so the project stays on the path after it is loaded.
    """
    entry = str(root)
    for hook in [hook for hook in sys.path_hooks if isinstance(hook, _ProjectHook)]:
        sys.path_hooks.remove(hook)
        forget_modules(hook.root)
        sys.path[:] = [path for path in sys.path if path != str(hook.root)]
    forget_modules(root)
    sys.path_hooks.insert(0, _ProjectHook(root))
    sys.path_importer_cache.clear()
    sys.path[:] = [path for path in sys.path if path not in ("", entry)] + [entry]


def forget_modules(root: Path) -> None:
    """Drop the modules whose source lies in the project, so that the next import reads their files."""
    inside = f"{root}/"  # texts, because there are thousands of modules and a Path of each takes a while
    for name, module in list(sys.modules.items()):
        paths = [getattr(module, "__file__", None) or "", *_folders(module)]
        if any(f"{path}/".startswith(inside) and ".venv" not in Path(path).parts for path in paths if path):
            del sys.modules[name]


def _folders(module: ModuleType) -> list[str]:
    try:
        return list(getattr(module, "__path__", []))
    except (KeyError, TypeError):  # a namespace package whose parent is gone
        return []


def module_name(root: Path, file: Path) -> str:
    """Return the dotted name by which a file of the project is imported."""
    parts = list(file.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_file(root: Path, file: Path) -> ModuleType:
    """Import a file of the project; call it after `use_project`.

    Raises: DefinitionError where the module raises, or where its name already belongs to something installed.
    """
    name = module_name(root, file)
    try:
        module = importlib.import_module(name)
    except SyntaxError as error:
        place = Place(error.filename or str(file), error.lineno or 0)
        raise DefinitionError(f"the file is not Python: {error.msg}", place=place, remedy="fix the syntax") from error
    except (Exception, SystemExit) as error:
        _refuse_clash(root, file, name)
        if isinstance(error, ImportError) and error.name and (other := _own(root, error.name)) is not None:
            _refuse_clash(root, other, error.name)
        remedy = error.remedy if isinstance(error, AssetsError) and error.remedy else "make the module importable"
        what = error.what if isinstance(error, AssetsError) else f"{type(error).__name__}: {error}"
        raise DefinitionError(what, place=_place_in_project(error, root, file), remedy=remedy) from error
    _refuse_clash(root, file, name)
    return module


def _own(root: Path, name: str) -> Path | None:
    """Return the folder or file of the project that an import by this name would mean."""
    top = root / name.partition(".")[0]
    return next((path for path in (top, top.with_suffix(".py")) if path.exists()), None)


def _refuse_clash(root: Path, file: Path, name: str) -> None:
    """Refuse a project whose top folder or module has the name of something installed, which Python finds first."""
    top = name.partition(".")[0]
    module = sys.modules.get(top)
    found = [] if module is None else [path for path in (getattr(module, "__file__", None), *_folders(module)) if path]
    if top in _OWN_PACKAGES:  # whether imported yet or not, and wherever an editable install lets Python look first
        found = [str(Path(__file__).parents[2] / top / "__init__.py")]
    if found and not any(Path(path).is_relative_to(root) for path in found):
        own = root / file.relative_to(root).parts[0]
        raise DefinitionError(
            f"{own} has the name of the installed package {top!r} at {found[0]}",
            place=Place(str(file)),
            remedy="rename the project's folder or file",
        )


def _place_in_project(error: BaseException, root: Path, file: Path) -> Place:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(root)]
    return Place(own[-1].filename, own[-1].lineno or 0) if own else Place(str(file))
