"""Remember a project's assets between commands, so that a plan need not import the project's libraries.

Used by `project.py`. What is remembered holds as long as everything that the load looked at is unchanged: the content
of every file of the project that it opened, the names in every folder that it listed, the environment variables that
it read, the installed packages. A project whose definitions depend on the clock, on chance, on a network or on
another process is not remembered, nor is one with a mapping by function.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..io.notes import write_note
from ..model.asset import Asset, assets_from_json
from ..model.code_part import CodePart
from ..model.keys import AssetKey
from ..model.mapping import ByDimension, Explicit, FromDimension, PartitionMapping
from .configured import Configured

if TYPE_CHECKING:  # a plan does not need it
    from .load import Loaded

_FORM = 2
_FILE = "definitions.json"
_CODE_FILE = "definitions-code.json"  # apart, because it is large and a plan has no use for it
_UNSTEADY_CALLS = frozenset(["today", "now", "utcnow", "time_ns", "monotonic", "randint", "uuid1", "uuid4", "urandom"])
_UNSTEADY_OF_MODULE = frozenset(["time", "random"])  # time.time(), but not pl.time()
_UNSTEADY_MODULES = frozenset(["time", "random", "secrets", "uuid"])
# What asks the file system without opening or listing anything, which no audit event shows.
_UNSEEN_CALLS = frozenset(
    [
        "exists",
        "is_file",
        "is_dir",
        "isfile",
        "isdir",
        "stat",
        "lstat",
        "getsize",
        "getmtime",
        "getcwd",
        "getcwdb",
        "cwd",
    ]
)
_OUTSIDE_EVENTS = frozenset(["subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "socket.connect"])


@dataclass(slots=True)
class Watch:
    """What a load of the project at `root` looked at."""

    root: str
    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    variables: dict[str, str | None] = field(default_factory=dict)
    left_the_process: bool = False
    active: bool = True


class _WatchedEnvironment(os._Environ):  # type: ignore[type-arg]
    """The process environment while a load is watched: notes which variables are read."""

    _assets_core_watch: Watch

    def __getitem__(self, key: Any) -> Any:
        value = self._data.get(self.encodekey(key)) if isinstance(key, str) else None  # type: ignore[attr-defined]  # the stub hides it
        # The first look counts: importing a library may set variables that it has looked at.
        self._assets_core_watch.variables.setdefault(str(key), _digest(None if value is None else os.fsdecode(value)))
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[Any]:
        self._assets_core_watch.left_the_process = True  # all variables were read: too many to remember
        return super().__iter__()


@contextmanager
def watching(root: Path) -> Iterator[Watch]:
    """Note what is looked at inside the block.

    Source: the audit events of CPython, which also see what library code opens on a definition's behalf.
    """
    watch = Watch(str(root), folders={str(root)})

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if not watch.active:
            return
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            watch.files.add(os.path.abspath(os.fsdecode(arguments[0])))
        elif event in ("os.listdir", "os.scandir") and isinstance(arguments[0], str | bytes | os.PathLike):
            watch.folders.add(os.path.abspath(os.fsdecode(arguments[0])))
        elif event in _OUTSIDE_EVENTS:
            watch.left_the_process = True

    sys.addaudithook(note)
    environment_type = type(os.environ)
    os.environ.__class__ = _WatchedEnvironment
    os.environ._assets_core_watch = watch  # type: ignore[attr-defined]
    try:
        yield watch
    finally:
        watch.active = False
        os.environ.__class__ = environment_type


def keep(folder: Path, state: Path, configured: Configured, loaded: Loaded, watch: Watch) -> None:
    """Write the assets of a folder of definitions down with what they depend on, where that can be known."""
    target = state / _FILE
    files = sorted(file for file in watch.files if not _is_installed(file) and not Path(file).is_relative_to(state))
    # Folders that imports of libraries search are not looked at by the definitions themselves.
    searched = {*sys.path, *(os.path.dirname(path) for path in sys.path)} - {watch.root}
    folders = sorted(folder for folder in watch.folders if not _is_installed(folder) and folder not in searched)
    only_read = _only_read(loaded, watch.root)
    sources = [file for file in files if file.endswith(".py") and file not in only_read]
    if watch.left_the_process or any(_is_unsteady(file) for file in sources) or _any_explicit(loaded.assets):
        target.unlink(missing_ok=True)
        return
    document = {
        "form": _FORM,
        "definitions": str(folder),
        "installed": _installed(),
        "configured": str(configured),
        "libraries": dict(loaded.libraries),
        "files": {file: _content(file) for file in files},
        "folders": {folder: _names(folder) for folder in folders},
        "variables": watch.variables,
        "assets": [asset.to_json() for asset in loaded.assets],
    }
    with suppress(OSError):  # it is a convenience: without it the next command loads the definitions
        write_note(state / _CODE_FILE, json.dumps(_code_document(loaded.parts)))
        write_note(target, json.dumps(document))


def _only_read(loaded: Loaded, root: str) -> set[str]:
    """Return the scripts of commands: they were read, and not run, so it does not matter what they call."""
    counted = {
        os.path.join(root, part.name) for parts in loaded.parts.values() for part in parts if part.kind == "file"
    }
    return counted - {str(getattr(module, "__file__", None)) for module in list(sys.modules.values())}


def _code_document(parts: Mapping[AssetKey, Iterable[CodePart]]) -> dict[str, Any]:
    """Return the parts of all assets in JSON; a part that many assets use has its text once."""
    texts = {part.digest: part.text for each in parts.values() for part in each}
    assets = {key: [[part.kind, part.name, part.digest] for part in each] for key, each in parts.items()}
    return {"form": _FORM, "texts": texts, "assets": assets}


def recall_code(state: Path) -> Mapping[str, Any]:
    """Return what is remembered of the code of all assets, for `parts_of`; nothing where it cannot be read."""
    try:
        document = json.loads((state / _CODE_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) and document.get("form") == _FORM else {}


def parts_of(code: Mapping[str, Any], asset: Asset) -> tuple[CodePart, ...] | None:
    """Return the remembered parts of an asset's code; None where they are not those of its code version."""
    from ..versions.code import code_digest  # a plan has no use for them

    try:
        texts, rows = code["texts"], code["assets"][asset.key]
        parts = tuple(CodePart(kind, name, digest, texts[digest]) for kind, name, digest in rows)
        return parts if code_digest(parts) == asset.code_version else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def recall(folder: Path, state: Path, configured: Configured) -> list[Asset] | None:
    """Return the remembered assets of a folder of definitions; None where none hold any more."""
    try:
        document = json.loads((state / _FILE).read_bytes())
        known = (document["form"], document["definitions"], document["configured"], document["installed"])
        if known != (_FORM, str(folder), str(configured), _installed()):
            return None
        if document["libraries"] and not _are_installed(document["libraries"]):
            return None
        if any(_names(folder) != names for folder, names in document["folders"].items()):
            return None
        if any(_digest(os.environ.get(name)) != value for name, value in document["variables"].items()):
            return None
        if any(_content(file) != content for file, content in document["files"].items()):
            return None
        return assets_from_json(document["assets"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _are_installed(versions: Mapping[str, str]) -> bool:
    from .libraries import are_installed  # takes a while, and most projects declare none

    return are_installed(versions)


def _is_installed(path: str) -> bool:
    """Tell whether a path belongs to Python or to installed packages, whose versions are watched as a whole."""
    if path.startswith("/dev/shm/"):  # noqa: S108  # a file system in memory, not a device
        return False
    return f"{path}/".startswith((*(f"{folder}/" for folder in _package_folders()), "/dev/", "/proc/", "/sys/"))


def _package_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(sorted({paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}))


def _installed() -> list[object]:
    """Return what changes when a package is installed, upgraded or removed, or when this product is edited."""
    own = Path(__file__).parents[1]
    newest = max(file.stat().st_mtime_ns for file in own.rglob("*.py"))
    folders = [os.stat(folder).st_mtime_ns for folder in _package_folders() if os.path.isdir(folder)]
    return [sys.version, newest, *folders]


def _content(file: str) -> str | None:
    with suppress(OSError):
        return hashlib.blake2b(Path(file).read_bytes(), digest_size=16).hexdigest()
    return None


def _names(folder: str) -> str | None:
    with suppress(OSError):
        names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith((".", "__pycache__")))
        return hashlib.blake2b(json.dumps(names).encode(), digest_size=16).hexdigest()
    return None


def _digest(value: str | None) -> str | None:
    return None if value is None else hashlib.blake2b(value.encode(), digest_size=16).hexdigest()


def _is_unsteady(source: str) -> bool:
    """Tell whether a source file calls something whose answer changes by itself (the clock, chance)."""
    try:
        tree = ast.parse(Path(source).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True
    return any(_is_unsteady_node(node) for node in ast.walk(tree)) or any(
        isinstance(node, ast.Call) and _reads_natively(node.func) for node in _run_at_import(tree)
    )


def _is_unsteady_node(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=function):
            return _is_unsteady_call(function)
        case ast.ImportFrom(module=module):
            return module in _UNSTEADY_MODULES
        case ast.Attribute(attr=name):
            return name == "environb"
        case _:
            return False


def _run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a module that run when it is imported: not the bodies of its functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                yield from (decorator, *_run_at_import(decorator))
        elif not isinstance(node, ast.Lambda):
            yield node
            yield from _run_at_import(node)


def _reads_natively(function: ast.expr) -> bool:
    """Tell whether a call reads files in a library's own code, as in pl.read_csv(), which no audit event shows."""
    if not isinstance(function, ast.Attribute) or function.attr in ("read_text", "read_bytes"):
        return False
    return function.attr.startswith(("read_", "scan_"))


def _is_unsteady_call(function: ast.expr) -> bool:
    match function:
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return name in _UNSTEADY_CALLS | _UNSEEN_CALLS or (name in _UNSTEADY_OF_MODULE and module == name)
        case ast.Attribute(attr=name):
            return name in _UNSTEADY_CALLS | _UNSEEN_CALLS
        case ast.Name(id=name):
            return name in _UNSTEADY_CALLS | _UNSTEADY_OF_MODULE | _UNSEEN_CALLS
        case _:
            return False


def _any_explicit(assets: Iterable[Asset]) -> bool:
    return any(_is_explicit(edge.mapping) for asset in assets for edge in asset.edges)


def _is_explicit(mapping: PartitionMapping | None) -> bool:
    match mapping:
        case Explicit():
            return True
        case ByDimension(dimensions=dimensions):
            return any(_is_explicit(part) for _, part in dimensions)
        case FromDimension(mapping=inner):
            return _is_explicit(inner)
        case _:
            return False
