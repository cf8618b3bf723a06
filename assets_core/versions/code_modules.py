"""Answers what of all that is loaded is the project's, and which module an import stands for.

Called by code_values.py and code_parts.py. It must not know syntax or digests. It imports a module
only when its file is the project's.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

Space = dict[str, Any]  # the dictionary of a module

ABSENT = object()  # what a name stands for that nothing binds
# The classes of libraries that let a project add attributes to them, which code then reads without any import.
_EXTENDED = {"polars": ("Expr", "DataFrame", "LazyFrame", "Series"), "pandas": ("DataFrame", "Series", "Index")}


class CannotImport(Exception):
    """A module of the project could not be imported."""


@dataclass(frozen=True, slots=True)
class NotLoaded:
    """An installed module that nothing has imported yet."""

    name: str


def module_name(space: Space) -> str:
    return str(space.get("__name__", "?"))


Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """A thing of the project whose content counts: a function, a class, a global or a whole module."""

    kind: str  # "function", "class", "global" or "module"
    name: str
    subject: Any  # the function or the class; for a global or a module the module's dictionary

    @property
    def key(self) -> Key:
        return (self.kind, self.name, id(self.subject))


@dataclass(slots=True)
class Found:
    """What the reading of one part has met so far; `roots` are the project's folder, which must not enter a text."""

    roots: tuple[str, ...]
    targets: list[Target] = field(default_factory=list)
    libraries: set[str] = field(default_factory=set)

    def refer(self, target: Target) -> str:
        self.targets.append(target)
        return f"<{target.name}>"

    def library(self, name: str) -> str:
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names:
            self.libraries.add(top)
        return f"<{name}>"


def function_target(function: FunctionType) -> Target:
    return Target("function", f"{module_name(function.__globals__)}:{function.__code__.co_qualname}", function)


def class_target(kind: type) -> Target:
    return Target("class", f"{kind.__module__}:{kind.__qualname__}", kind)


class Territory:
    """Tells the project's code from everybody else's."""

    def __init__(self, is_project_file: Callable[[str], bool]) -> None:
        self.owns_file = functools.cache(is_project_file)
        self.roots = functools.cache(self._roots)

    def _roots(self, file: str) -> tuple[str, ...]:
        """Return the topmost folder around a file whose files would still be the project's, as written and resolved."""
        top = os.path.dirname(os.path.abspath(file))
        while (above := os.path.dirname(top)) != top and self.owns_file(os.path.join(above, "__init__.py")):
            top = above
        resolved = os.path.realpath(top)
        return (top,) if resolved == top else (top, resolved)

    def owns_space(self, space: Space) -> bool:
        """Tell whether a module is the project's; code that was typed in or made by `exec` counts as such."""
        file = space.get("__file__")
        if isinstance(file, str):
            return self.owns_file(file)
        return module_name(space).partition(".")[0] not in sys.stdlib_module_names

    def owns_function(self, function: FunctionType) -> bool:
        file = function.__code__.co_filename
        return self.owns_space(function.__globals__) if file.startswith("<") else self.owns_file(file)

    def owns_class(self, kind: type) -> bool:
        module = sys.modules.get(kind.__module__)
        if module is None or not isinstance(getattr(module, "__file__", None), str):
            return kind.__module__ == "__main__"
        return self.owns_space(vars(module))


def find_module(name: str, space: Space, territory: Territory) -> Any:
    """Return the module that an import in the module `space` stands for, or NotLoaded, or ABSENT.

    Raises: CannotImport where a module of the project fails while it is imported.
    """
    absolute = _absolute(name, space)
    if absolute in sys.modules:
        return sys.modules[absolute] or ABSENT
    parent = absolute.rpartition(".")[0]
    if parent or not absolute:
        above = find_module(parent, space, territory) if parent else ABSENT
        if not isinstance(above, ModuleType) or not territory.owns_space(vars(above)):
            return ABSENT if above is ABSENT else NotLoaded(absolute)
        if not hasattr(above, "__path__"):
            return ABSENT
    spec = importlib.util.find_spec(absolute)
    if spec is None:
        return ABSENT
    folders = list(spec.submodule_search_locations or ())
    if not territory.owns_file(spec.origin or os.path.join(*folders[:1], "__init__.py")):
        return NotLoaded(absolute)
    try:
        return importlib.import_module(absolute)
    except Exception as error:
        raise CannotImport from error


def loaded_module(name: str, space: Space) -> ModuleType | None:
    """Return the module that an import in the module `space` stands for, where it is loaded."""
    return sys.modules.get(_absolute(name, space))


def _absolute(name: str, space: Space) -> str:
    """Return the full name of a module, or an empty one where the dots lead out of the package."""
    if not name.startswith("."):
        return name
    own = module_name(space)
    package = space.get("__package__") or (own if "__path__" in space else own.rpartition(".")[0])
    try:
        return importlib.util.resolve_name(name, package)
    except ImportError:
        return ""


def extensions(territory: Territory) -> dict[str, list[object]]:
    """Return what the project has added to the classes of frame libraries, by attribute name."""
    found: dict[str, list[object]] = {}
    for library, names in _EXTENDED.items():
        for kind in (getattr(sys.modules.get(library), name, None) for name in names):
            for attribute, held in vars(kind).items() if isinstance(kind, type) else ():
                for each in _held(held):
                    if isinstance(each, FunctionType):
                        owned = territory.owns_function(each)
                    else:
                        owned = isinstance(each, type) and territory.owns_class(each)
                    if owned:
                        found.setdefault(attribute, []).append(each)
    return found


def _held(value: object) -> Iterator[object]:
    yield value
    yield from getattr(value, "__dict__", {}).values()  # the class that a registered namespace stands for


def is_of_assets_core(path: tuple[str, ...], space: Space) -> bool:
    """Tell whether a dotted name in the module `space`, or what it is a partial call of, comes from this package."""
    value = space.get(path[0])
    for name in path[1:]:
        if not isinstance(value, ModuleType):
            break
        value = vars(value).get(name)
    while isinstance(value, functools.partial):
        value = value.func
    module = getattr(value if isinstance(value, (FunctionType, type)) else type(value), "__module__", "")
    return str(module).partition(".")[0] == __name__.partition(".")[0]
