"""Answers what one function, class, global or module of a project says by itself, and which others it uses.

Called by code.py, which walks from part to part. It must not know digests. It reads loaded modules; it imports one only
where the body of a function does, and only when its file is the project's.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from .code_members import attributes, cells, defaults, members
from .code_modules import (
    ABSENT,
    CannotImport,
    Found,
    Key,
    NotLoaded,
    Space,
    Target,
    Territory,
    class_target,
    extensions,
    find_module,
    function_target,
    is_of_assets_core,
    loaded_module,
    module_name,
)
from .code_names import Reads, Reference, bindings, reads, reads_of_code
from .code_syntax import (
    SourceFile,
    code_text,
    read_source,
    syntax_text,
    without_signature_annotations,
)
from .code_values import OPAQUE, Undetermined, ValueReader

# What runs or fetches code that no reading of the source can name.
_DYNAMIC = (eval, exec, __import__, importlib.import_module)
# Facts about a module, not values that somebody chose.
_MODULE_FACTS = frozenset(
    {"__name__", "__file__", "__path__", "__package__", "__spec__", "__loader__", "__doc__", "__cached__"}
)


@dataclass(frozen=True, slots=True)
class Part:
    """What one target says, with its edges in order; two parts may have the same name. Keeps its subject alive."""

    target: Target
    text: str
    edges: tuple[Target, ...]
    libraries: frozenset[str]
    unknown: tuple[str, ...]


class _Draft:
    """A part while it is being read."""

    def __init__(self, target: Target, roots: tuple[str, ...]) -> None:
        self.target = target
        self.found = Found(roots)
        self.lines: dict[str, None] = {}
        self.unknown: list[str] = []

    def say(self, line: str) -> None:
        self.lines[line] = None

    def note(self, label: str, what: str) -> None:
        self.say(f"# {label}: {what}")

    def give_up(self, label: str) -> None:
        self.note(label, "unknown")
        self.unknown.append(f"{self.target.name}.{label}" if label else self.target.name)

    def part(self) -> Part:
        found = self.found
        return Part(
            target=self.target,
            text="\n".join(self.lines),
            edges=tuple(found.targets),
            libraries=frozenset(found.libraries),
            unknown=tuple(self.unknown),
        )


class PartReader:
    """Reads parts, each once, and each source file once."""

    def __init__(self, is_project_file: Callable[[str], bool]) -> None:
        self._territory = Territory(is_project_file)
        self._values = ValueReader(self._territory, self._is_decorated)
        self._sources: dict[tuple[str, int], tuple[Space, SourceFile | None]] = {}
        self._done: dict[tuple[Key, bool], Part] = {}

    def entry(self, target: object) -> Target:
        """Return what to read for the object that a version is asked of."""
        if isinstance(target, FunctionType) and self._territory.owns_function(target):
            return function_target(target)
        if isinstance(target, type) and self._territory.owns_class(target):
            return class_target(target)
        return Target("value", getattr(target, "__qualname__", type(target).__qualname__), target)

    def part(self, target: Target, *, is_entry: bool) -> Part:
        """Return the part of a target; as the entry, the annotations of its signature do not count."""
        key = (target.key, is_entry)
        if key not in self._done:
            match target.kind:
                case "function":
                    self._done[key] = self._function(target, is_entry=is_entry)
                case "class":
                    self._done[key] = self._class(target)
                case "global":
                    self._done[key] = self._global(target)
                case "module":
                    self._done[key] = self._module(target)
                case _:
                    draft = _Draft(target, ())
                    self._note_value(draft, "", target.subject, explained=False)
                    self._done[key] = draft.part()
        return self._done[key]

    # What the kinds of parts say

    def _function(self, target: Target, *, is_entry: bool) -> Part:
        function: FunctionType = target.subject
        draft, source = self._draft(target, function.__globals__, function.__code__.co_filename)
        definitions = source.function(function.__code__) if source else []
        if definitions:
            shown = [without_signature_annotations(each) if is_entry else each for each in definitions]
            draft.say(syntax_text(shown))
            read = reads(shown)
        else:
            draft.say(code_text(function.__code__))
            read = reads_of_code(function.__code__)
        held = cells(function)
        self._follow(draft, read, function.__globals__, held)
        followed = {reference.path[0] for reference in read.references if not reference.module}
        for name in sorted(held.keys() - followed):
            self._settle(draft, name, held[name], None)
        self._note_bound_values(draft, function, "", has_source=bool(definitions))
        return draft.part()

    def _note_bound_values(self, draft: _Draft, function: FunctionType, prefix: str, *, has_source: bool) -> None:
        """Note the defaults of a function and what hangs on it."""
        for name, value in defaults(function).items():
            # Outside of functions the source of a default says all of it, through the names that it reads.
            explained = has_source and "<locals>" not in function.__code__.co_qualname
            self._note_value(draft, f"default of {prefix}{name}", value, explained=explained)
        for name, value in sorted(vars(function).items()):
            if name == "__wrapped__" or not name.startswith("__"):
                # What a library hangs on a function follows from the decorator in the source.
                self._note_value(draft, f"{prefix}{name}", value, explained=True)

    def _class(self, target: Target) -> Part:
        kind: type = target.subject
        space = vars(sys.modules[kind.__module__])
        draft, source = self._draft(target, space, space.get("__file__"))
        functions = dict(members(kind))
        own = {
            name for name, each in functions.items() if each.__code__.co_qualname.startswith(f"{kind.__qualname__}.")
        }
        definitions = source.classes.get(kind.__qualname__, []) if source else []
        if source and not definitions:
            # Made by a call, as `namedtuple(...)`: the assignment is its source.
            names = [name for name, value in space.items() if value is kind]
            if names and names[0] in source.statements:
                self._say_source(draft, source.statements[names[0]], space)
                return draft.part()
        if source and not all(source.holds(functions[name].__code__) for name in own):
            definitions = []
        draft.say(syntax_text(definitions) or f"class {kind.__qualname__}")
        held = {name: cell for each in own for name, cell in cells(functions[each]).items() if name != "__class__"}
        self._follow(draft, reads(definitions), space, held)
        explained = bool(definitions)
        for base in (*kind.__bases__, type(kind)):
            if base not in (object, type):
                self._note_value(draft, "made from", base, explained=explained)
        for name, function in functions.items():
            if definitions and name in own:
                self._note_bound_values(draft, function, f"{name}.", has_source=True)
            elif name in own or self._is_added(name, function):
                self._note_value(draft, name, function, explained=explained)
        # In a function, the source of an attribute may read that function's variables; then only its value tells.
        in_body = bindings(statement for each in definitions for statement in each.body).names
        local = in_body if "<locals>" in kind.__qualname__ else set()
        for name, value in attributes(kind):
            self._note_value(draft, name, value, explained=explained and name not in local)
        return draft.part()

    def _is_added(self, name: str, function: FunctionType) -> bool:
        """Tell whether somebody put a function into a class; else `dataclass`, `Enum` or the like made it."""
        if function.__code__.co_filename.startswith("<"):
            return False
        return not name.startswith("_") or self._territory.owns_function(function)

    def _global(self, target: Target) -> Part:
        space: Space = target.subject
        name = target.name.partition(":")[2]
        draft, source = self._draft(target, space, space.get("__file__"))
        try:
            draft.say(f"{name} = {self._values.text(space[name], draft.found)}")
        except Undetermined:
            if source and name in source.statements:
                aliases = sorted(other for other, value in space.items() if value is space[name])
                self._say_source(draft, source.explaining(aliases), space)
                self._note_outline(draft, name, space[name])
            else:
                draft.give_up("")
        return draft.part()

    def _module(self, target: Target) -> Part:
        """Read all of a module, for code that uses it otherwise than by the names in it."""
        space: Space = target.subject
        draft, source = self._draft(target, space, space.get("__file__"))
        if source:
            self._say_source(draft, source.tree.body, space)
        elif "__file__" in space:
            draft.give_up("")
        names = tuple(Reference("", (name,)) for name in sorted(space) if not name.startswith("__"))
        self._follow(draft, Reads(names, frozenset(), frozenset()), space, {})
        return draft.part()

    def _say_source(self, draft: _Draft, statements: list[ast.stmt], space: Space) -> None:
        draft.say(syntax_text(statements))
        self._follow(draft, reads(statements), space, {})

    def _note_value(self, draft: _Draft, label: str, value: object, *, explained: bool) -> None:
        try:
            draft.note(label, self._values.text(value, draft.found))
        except Undetermined:
            if explained:
                self._note_outline(draft, label, value)
            else:
                draft.give_up(label)

    def _note_outline(self, draft: _Draft, label: str, value: object) -> None:
        """Note what can be told of a value that its source explains: a container may have been filled elsewhere."""
        try:
            outline = self._values.outline(value, draft.found)
        except Undetermined:
            return
        if outline != OPAQUE:
            draft.note(label, outline)

    # What names stand for

    def _follow(self, draft: _Draft, read: Reads, space: Space, held: Space) -> None:
        for reference in read.references:
            try:
                self._follow_one(draft, reference, space, held)
            except CannotImport:
                draft.give_up(str(reference))
        for name in sorted(read.attributes & self._extensions.keys()):
            for value in self._extensions[name]:
                self._settle(draft, f".{name}", value, None)
        for name in read.modules:
            module = sys.modules.get(name.partition(".")[0])
            if module is not None and not self._territory.owns_space(vars(module)):
                draft.found.library(name)

    def _follow_one(self, draft: _Draft, reference: Reference, space: Space, held: Space) -> None:
        whole = (reference.module, *reference.path) if reference.module else reference.path
        rest = reference.path
        home: tuple[Space, str] | None = None
        value: Any
        if reference.module:
            value = find_module(reference.module, space, self._territory)
        else:
            name, *others = rest
            rest = tuple(others)
            if name in held:
                value = held[name]
            elif name in _MODULE_FACTS:
                return
            elif name in space:
                value, home = space[name], (space, name)
            else:
                value = getattr(builtins, name, ABSENT)
                if value is globals:
                    draft.note(name, draft.found.refer(Target("module", module_name(space), space)))
                    return
                if value is not ABSENT and all(value is not each for each in _DYNAMIC):
                    return
        while isinstance(value, ModuleType) and rest and self._territory.owns_space(vars(value)):
            (name, *others), inside, home = rest, vars(value), None
            rest = tuple(others)
            if name in _MODULE_FACTS:
                return
            if name in inside:
                value, home = inside[name], (inside, name)
            elif "__getattr__" in inside:
                value, home, rest = inside["__getattr__"], (inside, "__getattr__"), ()
            else:
                value = find_module(f"{value.__name__}.{name}", inside, self._territory)
        label = ".".join(whole[: len(whole) - len(rest)])
        if isinstance(value, ModuleType) and rest and vars(value).get(rest[0]) is importlib.import_module:
            value = importlib.import_module
        self._settle(draft, label, value, home)

    def _settle(self, draft: _Draft, label: str, value: object, home: tuple[Space, str] | None) -> None:
        """Note what a label stands for; `home` is the module and the name there, where it is a global."""
        if value is ABSENT:
            draft.note(label, "absent")
        elif isinstance(value, NotLoaded):
            draft.note(label, draft.found.library(value.name))
        elif any(value is each for each in _DYNAMIC):
            draft.give_up(label)
        elif home is None or self.entry(value).kind != "value" or isinstance(value, ModuleType):
            self._note_value(draft, label, value, explained=False)
        else:
            origin = self._origin(*home, value, ())
            if isinstance(origin, str):
                draft.note(label, draft.found.library(origin))
            else:
                space, name = origin
                draft.note(label, draft.found.refer(Target("global", f"{module_name(space)}:{name}", space)))

    def _origin(self, space: Space, name: str, value: object, passed: tuple[int, ...]) -> tuple[Space, str] | str:
        """Return the module and the name where a global first stood: in the project, or a library's dotted name."""
        file = space.get("__file__")
        source = self._source(space, file) if isinstance(file, str) and id(space) not in passed else None
        if source:
            stars = [Reference(module, (name,)) for module in source.bound.stars]
            for reference in (*source.bound.imports.get(name, ()), *stars):
                module = loaded_module(reference.module, space)
                if module is None or not reference.path or vars(module).get(reference.path[0], ABSENT) is not value:
                    continue
                if not self._territory.owns_space(vars(module)):
                    return f"{module.__name__}.{reference.path[0]}"
                return self._origin(vars(module), reference.path[0], value, (*passed, id(space)))
        return space, name

    @functools.cached_property
    def _extensions(self) -> dict[str, list[object]]:
        return extensions(self._territory)

    # Sources

    def _draft(self, target: Target, space: Space, file: object) -> tuple[_Draft, SourceFile | None]:
        if not isinstance(file, str) or file.startswith("<"):
            return _Draft(target, ()), None
        return _Draft(target, self._territory.roots(file)), self._source(space, file)

    def _source(self, space: Space, file: str) -> SourceFile | None:
        key = (file, id(space))
        if key not in self._sources:
            self._sources[key] = (space, read_source(file, lambda path: is_of_assets_core(path, space)))
        return self._sources[key][1]

    def _is_decorated(self, function: FunctionType) -> bool:
        source = self._source(function.__globals__, function.__code__.co_filename)
        definitions = source.function(function.__code__) if source else []
        return any(not isinstance(each, ast.Lambda) and each.decorator_list for each in definitions)
