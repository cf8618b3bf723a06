"""Answers what a Python value says, as one canonical text that is equal in every process and tells unlike values apart.

Called by code.py for globals, closures, defaults and class attributes. Functions and classes of the project stay
references in the text, for code.py to follow. It must not know source files, nor call code of the values it reads.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import pathlib
import re
import sys
import types
import typing
import uuid
import zoneinfo
from abc import ABC
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from .code_modules import Territory, module_name

_BY_REPR = frozenset(
    {type(None), type(...), type(NotImplemented), bool, float, complex, bytes, bytearray, range}
    | {decimal.Decimal, fractions.Fraction, uuid.UUID, dt.date, dt.timedelta, dt.timezone}
)
_PATHS = (pathlib.PurePosixPath, pathlib.PureWindowsPath)
# The classes outside the project whose instances keep nothing that this file cannot see.
_PLAIN = frozenset(
    {object, dict, list, tuple, set, frozenset, str, int, float, bytes, ABC, typing.Generic, typing.Protocol}
)
_DESCRIPTORS = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)


class Undetermined(Exception):  # noqa: N818  (an answer, not an error: the caller falls back to the source)
    """The content of a value cannot be told from the value."""


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


class ValueReader:
    """Writes values as canonical text."""

    def __init__(self, territory: Territory, is_decorated: Callable[[FunctionType], bool]) -> None:
        self._territory = territory
        self._is_decorated = is_decorated  # does the source of a function show decorators that count?

    def text(self, value: object, found: Found) -> str:
        """Return the canonical text of a value, adding what it refers to; nothing is added where it cannot be told.

        Raises: Undetermined.
        """
        attempt = Found(found.roots)
        text = self._text(value, attempt, ())
        found.targets += attempt.targets
        found.libraries |= attempt.libraries
        return text

    def _text(self, value: Any, found: Found, around: tuple[int, ...]) -> str:
        kind = type(value)
        if kind in _BY_REPR:
            return repr(value)
        if kind is int:
            return repr(value) if value.bit_length() < 10_000 else hex(value)  # repr refuses very long ones
        if kind is str:
            return _string(value, found)
        if id(value) in around:
            return f"<the value {len(around) - around.index(id(value))} levels up>"
        inner = (*around, id(value))
        for text in (self._container, self._standard, self._callable, self._polars, self._instance):
            written = text(value, found, inner)
            if written is not None:
                return written
        raise Undetermined

    def _items(self, values: Iterable[object], found: Found, around: tuple[int, ...]) -> str:
        return ", ".join(self._text(each, found, around) for each in values)

    def _pairs(self, pairs: Iterable[tuple[object, object]], found: Found, around: tuple[int, ...]) -> str:
        return ", ".join(f"{self._text(k, found, around)}: {self._text(v, found, around)}" for k, v in pairs)

    def _container(self, value: Any, found: Found, around: tuple[int, ...]) -> str | None:
        kind = type(value)
        if kind is list:
            return f"[{self._items(value, found, around)}]"
        if kind is tuple:
            return f"({self._items(value, found, around)},)"
        if kind is set or kind is frozenset:
            return f"{kind.__name__}({self._sorted(value, found, around)})"
        if kind is collections.deque:
            return f"deque([{self._items(value, found, around)}], {value.maxlen})"
        if kind is collections.defaultdict:
            factory = self._text(value.default_factory, found, around)
            return f"defaultdict({factory}, {{{self._pairs(value.items(), found, around)}}})"
        if kind in (dict, collections.OrderedDict, collections.Counter, types.MappingProxyType):
            return f"{'' if kind is dict else kind.__name__}{{{self._pairs(value.items(), found, around)}}}"
        return None

    def _sorted(self, values: Iterable[object], found: Found, around: tuple[int, ...]) -> str:
        items: list[tuple[str, Found]] = []
        for each in values:
            own = Found(found.roots)
            items.append((self._text(each, own, around), own))
        items.sort(key=lambda item: item[0])
        texts = [text for text, _ in items]
        if len(set(texts)) < len(texts):
            raise Undetermined  # two references of one name: a set gives them no order
        for _, own in items:
            found.targets += own.targets
            found.libraries |= own.libraries
        return ", ".join(texts)

    def _standard(self, value: Any, found: Found, around: tuple[int, ...]) -> str | None:
        match value:
            case dt.datetime() | dt.time() if type(value) in (dt.datetime, dt.time):
                zone = value.tzinfo
                if zone is not None:
                    self._text(zone, found, around)  # its repr tells all where it is a zone that we know
                return repr(value)
            case zoneinfo.ZoneInfo(key=str(key)):
                return f"ZoneInfo({key!r})"
            case re.Pattern():
                return f"re.compile({value.pattern!r}, {value.flags})"
            case slice():
                return f"slice({self._items((value.start, value.stop, value.step), found, around)})"
            case _ if isinstance(value, _PATHS) and type(value).__module__.partition(".")[0] == "pathlib":
                return f"Path({_string(value.as_posix(), found)})"
            case enum.Enum():
                member = value.name or repr(value.value)
                return f"{self._class(type(value), found)}.{member}"
            case ModuleType():
                if self._territory.owns_space(vars(value)):
                    return found.refer(Target("module", module_name(vars(value)), vars(value)))
                return found.library(value.__name__)
            case type():
                return self._class(value, found)
            case _:
                return None

    def _class(self, kind: type, found: Found) -> str:
        if self._territory.owns_class(kind):
            return found.refer(class_target(kind))
        if kind.__module__.startswith("polars.datatypes"):
            return found.library(f"polars.{kind!r}")
        return self._named(kind, kind.__module__, kind.__qualname__, found)

    def _named(self, value: object, module: str | None, qualname: str, found: Found) -> str:
        """Write a thing of a library by its address, provided that it is what stands there."""
        there: Any = sys.modules.get(module or "")
        for name in qualname.split("."):
            there = getattr(there, name, None)
        if module is None or there is not value:
            raise Undetermined
        return found.library(f"{module}.{qualname}")

    def _callable(self, value: Any, found: Found, around: tuple[int, ...]) -> str | None:
        match value:
            case FunctionType() if self._territory.owns_function(value):
                return found.refer(function_target(value))
            case types.MethodType(__self__=type() as owner) if not self._territory.owns_class(owner):
                return f"{self._class(owner, found)}.{value.__name__}"
            case types.MethodType():
                return f"method({self._items((value.__func__, value.__self__), found, around)})"
            case functools.partial():
                arguments = self._items((value.func, value.args, value.keywords), found, around)
                return f"partial({arguments})"
            case types.BuiltinFunctionType() if not isinstance(value.__self__, (ModuleType, type(None))):
                return f"{self._text(value.__self__, found, around)}.{value.__name__}"
            case types.MethodWrapperType():
                return f"{self._text(value.__self__, found, around)}.{value.__name__}"
            case _ if isinstance(value, _DESCRIPTORS):
                return f"{self._class(value.__objclass__, found)}.{value.__name__}"
            case _ if callable(value) and not self._territory.owns_class(type(value)):
                return self._wrapper(value, found, around)
            case _:
                return None

    def _wrapper(self, value: Any, found: Found, around: tuple[int, ...]) -> str | None:
        """Write a library's function: a single dispatch, a wrapper of a project function, or a plain one by name."""
        registry = vars(value).get("registry") if isinstance(value, FunctionType) else None
        if isinstance(registry, types.MappingProxyType):
            pairs = sorted(registry.items(), key=lambda pair: (pair[0].__module__, pair[0].__qualname__))
            return f"singledispatch({self._pairs(pairs, found, around)})"
        wrapped = getattr(value, "__wrapped__", None)
        while wrapped is not None:
            if isinstance(wrapped, FunctionType) and self._territory.owns_function(wrapped):
                # The arguments of the wrapping stand in the source only where it was done by a decorator.
                if not self._is_decorated(wrapped):
                    raise Undetermined
                maker = value.__globals__["__name__"] if isinstance(value, FunctionType) else type(value).__module__
                return f"{found.library(maker)}({found.refer(function_target(wrapped))})"
            wrapped = getattr(wrapped, "__wrapped__", None)
        if isinstance(value, (FunctionType, types.BuiltinFunctionType)):
            return self._named(value, value.__module__, value.__qualname__, found)
        return None

    def _polars(self, value: Any, found: Found, around: tuple[int, ...]) -> str | None:
        polars = sys.modules.get("polars")
        if polars is None:
            return None
        if isinstance(value, polars.DataType):
            return found.library(f"polars.{value!r}")
        if isinstance(value, polars.Schema):
            return f"{found.library('polars.Schema')}{{{self._pairs(value.items(), found, around)}}}"
        if isinstance(value, polars.Expr):
            try:
                plan = str(value.meta.serialize(format="json"))
            except Exception as error:  # whatever polars raises, the source of the expression remains
                raise Undetermined from error
            # A Python function inside is pickled (marked PLPYUDF): its bytes are not its content.
            if "80,76,80,89,85,68,70" in plan or "AnonymousFunction" in plan:
                raise Undetermined
            return f"{found.library('polars.Expr')}({plan})"
        return None

    def _instance(self, value: Any, found: Found, around: tuple[int, ...]) -> str | None:
        kind = type(value)
        for each in kind.__mro__:
            if each not in _PLAIN and not self._territory.owns_class(each) and not dataclasses.is_dataclass(each):
                return None
        state = {
            name: self._text(each, found, around) for name, each in sorted(_state(value), key=lambda held: held[0])
        }
        written = [f"{name}={text}" for name, text in state.items()]
        if isinstance(value, dict):
            written.insert(0, f"{{{self._pairs(dict.items(value), found, around)}}}")
        elif isinstance(value, (list, tuple)):
            plain = list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value)
            written.insert(0, f"[{self._items(plain, found, around)}]")
        elif isinstance(value, (set, frozenset)):
            plain = set.__iter__(value) if isinstance(value, set) else frozenset.__iter__(value)
            written.insert(0, f"{{{self._sorted(plain, found, around)}}}")
        else:
            written[:0] = [each.__repr__(value) for each in (str, int, float, bytes) if isinstance(value, each)]
        return f"{self._class(kind, found)}({', '.join(written)})"


def _state(value: object) -> Iterator[tuple[str, object]]:
    """Yield what an instance holds, by name: its dictionary and its slots, without results that it caches."""
    kind = type(value)
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        held = {}
    for name, each in held.items():
        if not isinstance(getattr(kind, name, None), functools.cached_property):
            yield name, each
    for parent in kind.__mro__:
        for name, slot in vars(parent).items():
            if isinstance(slot, types.MemberDescriptorType):
                try:
                    yield name, slot.__get__(value, kind)
                except AttributeError:
                    continue


def _string(value: str, found: Found) -> str:
    """Write a string; the folder of the project, wherever it is checked out, is written as a fixed word."""
    for root in found.roots:
        if len(root) > 1 and root in value:
            return f"in the project {value.replace(root, '<project>')!r}"
    return repr(value)
