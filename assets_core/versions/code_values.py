"""Answers what a Python value says, as one canonical text that is equal in every process and tells unlike values apart.

Called by code_parts.py for globals, closures, defaults and class attributes. Functions and classes of the project stay
references in the text, to be followed. It must not know source files, nor call code of the values it reads.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import logging
import pathlib
import re
import sys
import types
import typing
import uuid
import zoneinfo
from abc import ABC
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from .code_modules import Found, Target, Territory, class_target, function_target, module_name

_BY_REPR = frozenset(
    {type(None), type(...), type(NotImplemented), bool, float, complex, bytes, bytearray, range}
    | {decimal.Decimal, fractions.Fraction, uuid.UUID, dt.date, dt.timedelta, dt.timezone}
)
_PATHS = (pathlib.PurePosixPath, pathlib.PureWindowsPath)
# The classes outside the project whose instances keep nothing that this file cannot see.
_PLAIN = frozenset(
    {object, dict, list, tuple, set, frozenset, str, int, float, bytes, ABC, typing.Generic, typing.Protocol}
)
_CHANGEABLE = frozenset(
    {list, set, dict, types.MappingProxyType}
    | {collections.deque, collections.OrderedDict, collections.Counter, collections.defaultdict}
)
_DESCRIPTORS = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)
OPAQUE = "<opaque>"


class Undetermined(Exception):
    """The content of a value cannot be told from the value."""


class ValueReader:
    """Writes values as canonical text."""

    def __init__(self, territory: Territory, is_decorated: Callable[[FunctionType], bool]) -> None:
        self._territory = territory
        self._is_decorated = is_decorated  # does the source of a function show decorators that count?

    def text(self, value: object, found: Found) -> str:
        """Return the canonical text of a value, adding what it refers to; nothing is added where it cannot be told.

        Raises: Undetermined.
        """
        return self._write(value, found, outlined=False)

    def outline(self, value: object, found: Found) -> str:
        """Return the text of a value with OPAQUE for each thing inside that cannot be told."""
        return self._write(value, found, outlined=True)

    def _write(self, value: object, found: Found, *, outlined: bool) -> str:
        own = Found(found.roots)
        try:
            text = _Writer(self._territory, self._is_decorated, own, outlined).inner(value)
        except RecursionError as error:
            raise Undetermined from error
        found.targets += own.targets
        found.libraries |= own.libraries
        return text


class _Writer:
    """Writes one value; its methods return None where a value is not theirs."""

    def __init__(
        self, territory: Territory, is_decorated: Callable[[FunctionType], bool], found: Found, outlined: bool
    ) -> None:
        self._territory = territory
        self._is_decorated = is_decorated
        self._found = found
        self._outlined = outlined
        self._met: dict[int, int] = {}  # by identity, the changeable values written so far, numbered

    def inner(self, value: object) -> str:
        """Write a value within a value."""
        if not self._outlined:
            return self._text(value)
        count, libraries = len(self._found.targets), set(self._found.libraries)
        try:
            return self._text(value)
        except Undetermined:
            del self._found.targets[count:]
            self._found.libraries = libraries
            return OPAQUE

    def _text(self, value: Any) -> str:
        kind = type(value)
        if kind in _BY_REPR:
            return repr(value)
        if kind is int:
            return repr(value) if value.bit_length() < 10_000 else hex(value)  # repr refuses very long ones
        if kind is str:
            return _string(value, self._found.roots)
        if id(value) in self._met:
            return f"<value {self._met[id(value)]} again>"
        for write in (self._container, self._standard, self._callable, self._polars, self._instance):
            written = write(value)
            if written is not None:
                return written
        raise Undetermined

    def _items(self, values: Iterable[object]) -> str:
        return ", ".join(map(self.inner, values))

    def _pairs(self, pairs: Iterable[tuple[object, object]]) -> str:
        return ", ".join(f"{self.inner(key)}: {self.inner(value)}" for key, value in pairs)

    def _sorted(self, values: Iterable[object]) -> str:
        """Write what a set holds, which has no order to number values or to refer to targets in."""
        items: list[tuple[str, list[Target]]] = []
        count, met = len(self._found.targets), self._met
        for each in values:
            self._met = dict(met)
            items.append((self.inner(each), self._found.targets[count:]))
            del self._found.targets[count:]
        self._met = met
        items.sort(key=lambda item: item[0])
        if len({text for text, _ in items}) < len(items):
            raise Undetermined  # two references of one name
        self._found.targets += (target for _, targets in items for target in targets)
        return ", ".join(text for text, _ in items)

    def _container(self, value: Any) -> str | None:
        kind = type(value)
        # Equal constants may or may not be one object, so being the same one means nothing here.
        if kind is tuple:
            return f"({self._items(value)},)"
        if kind is frozenset:
            return f"frozenset({self._sorted(value)})"
        if kind not in _CHANGEABLE:
            return None
        self._met[id(value)] = len(self._met)
        if kind is list:
            return f"[{self._items(value)}]"
        if kind is set:
            return f"set({self._sorted(value)})"
        if kind is collections.deque:
            return f"deque([{self._items(value)}], {value.maxlen})"
        pairs = f"{{{self._pairs(value.items())}}}"
        if kind is collections.defaultdict:
            return f"defaultdict({self.inner(value.default_factory)}, {pairs})"
        return pairs if kind is dict else f"{kind.__name__}({pairs})"

    def _standard(self, value: Any) -> str | None:
        match value:
            case dt.datetime() | dt.time() if type(value) in (dt.datetime, dt.time):
                zone = value.tzinfo
                if zone is not None:
                    self._text(zone)  # its repr tells all where it is a zone that we know
                return repr(value)
            case zoneinfo.ZoneInfo(key=str(key)):
                return f"ZoneInfo({key!r})"
            case logging.Logger():
                return f"Logger({value.name!r})"
            case re.Pattern():
                return f"re.compile({value.pattern!r}, {value.flags})"
            case slice():
                return f"slice({self._items((value.start, value.stop, value.step))})"
            case _ if isinstance(value, _PATHS) and type(value).__module__.partition(".")[0] == "pathlib":
                return f"Path({_string(value.as_posix(), self._found.roots)})"
            case enum.Enum():
                member = value.name or repr(value.value)
                return f"{self._class(type(value))}.{member}"
            case ModuleType():
                if self._territory.owns_space(vars(value)):
                    return self._found.refer(Target("module", module_name(vars(value)), vars(value)))
                return self._found.library(value.__name__)
            case type():
                return self._class(value)
            case _:
                return None

    def _class(self, kind: type) -> str:
        if self._territory.owns_class(kind):
            return self._found.refer(class_target(kind))
        if kind.__module__.startswith("polars.datatypes"):
            return self._found.library(f"polars.{kind!r}")
        return self._named(kind, kind.__module__, kind.__qualname__)

    def _named(self, value: object, module: str | None, qualname: str) -> str:
        """Write a thing of a library by its address, provided that it is what stands there."""
        there: Any = sys.modules.get(module or "")
        if there is None or self._territory.owns_space(vars(there)):  # the project's own, but compiled
            raise Undetermined
        for name in qualname.split("."):
            there = getattr(there, name, None)
        if there is not value:
            raise Undetermined
        return self._found.library(f"{module}.{qualname}")

    def _callable(self, value: Any) -> str | None:
        match value:
            case FunctionType() if self._territory.owns_function(value):
                return self._found.refer(function_target(value))
            case types.MethodType(__self__=type() as owner) if not self._territory.owns_class(owner):
                return f"{self._class(owner)}.{value.__name__}"
            case types.MethodType():
                return f"method({self._items((value.__func__, value.__self__))})"
            case functools.partial():
                arguments = self._items((value.func, value.args, value.keywords))
                return f"partial({arguments})"
            case types.BuiltinFunctionType() if not isinstance(value.__self__, (ModuleType, type(None))):
                return f"{self.inner(value.__self__)}.{value.__name__}"
            case types.MethodWrapperType():
                return f"{self.inner(value.__self__)}.{value.__name__}"
            case _ if isinstance(value, _DESCRIPTORS):
                return f"{self._class(value.__objclass__)}.{value.__name__}"
            case _ if callable(value) and not self._territory.owns_class(type(value)):
                return self._wrapper(value)
            case _:
                return None

    def _wrapper(self, value: Any) -> str | None:
        """Write a library's function: a single dispatch, a wrapper of a project function, or a plain one by name."""
        registry = vars(value).get("registry") if isinstance(value, FunctionType) else None
        if isinstance(registry, types.MappingProxyType):
            pairs = sorted(registry.items(), key=lambda pair: (pair[0].__module__, pair[0].__qualname__))
            return f"singledispatch({self._pairs(pairs)})"
        wrapped = getattr(value, "__wrapped__", None)
        while wrapped is not None:
            if isinstance(wrapped, FunctionType) and self._territory.owns_function(wrapped):
                # The arguments of the wrapping stand in the source only where it was done by a decorator.
                if not self._is_decorated(wrapped):
                    raise Undetermined
                maker = value.__globals__["__name__"] if isinstance(value, FunctionType) else type(value).__module__
                return f"{self._found.library(maker)}({self._found.refer(function_target(wrapped))})"
            wrapped = getattr(wrapped, "__wrapped__", None)
        if isinstance(value, (FunctionType, types.BuiltinFunctionType)):
            return self._named(value, value.__module__, value.__qualname__)
        return None

    def _polars(self, value: Any) -> str | None:
        polars = sys.modules.get("polars")
        if polars is None:
            return None
        if isinstance(value, polars.DataType):
            return self._found.library(f"polars.{value!r}")
        if isinstance(value, polars.Schema):
            return f"{self._found.library('polars.Schema')}{{{self._pairs(value.items())}}}"
        if isinstance(value, polars.Expr):
            try:
                plan = str(value.meta.serialize(format="json"))
            except Exception as error:  # whatever polars raises, the source of the expression remains
                raise Undetermined from error
            # A Python function inside is pickled (marked PLPYUDF): its bytes are not its content.
            if "80,76,80,89,85,68,70" in plan or "AnonymousFunction" in plan:
                raise Undetermined
            return f"{self._found.library('polars.Expr')}({plan})"
        return None

    def _instance(self, value: Any) -> str | None:
        kind = type(value)
        hidden = [
            each
            for each in kind.__mro__
            if each not in _PLAIN and not self._territory.owns_class(each) and not dataclasses.is_dataclass(each)
        ]
        if hidden and not (self._outlined and self._territory.owns_class(kind)):
            return None
        self._met[id(value)] = len(self._met)
        state = sorted(_state(value), key=lambda held: held[0])
        written = [f"{name}={self.inner(each)}" for name, each in state]
        if isinstance(value, dict):
            written.insert(0, f"{{{self._pairs(dict.items(value))}}}")
        elif isinstance(value, (list, tuple)):
            plain = list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value)
            written.insert(0, f"[{self._items(plain)}]")
        elif isinstance(value, (set, frozenset)):
            plain = set.__iter__(value) if isinstance(value, set) else frozenset.__iter__(value)
            written.insert(0, f"{{{self._sorted(plain)}}}")
        else:
            written[:0] = [each.__repr__(value) for each in (str, int, float, bytes) if isinstance(value, each)]
        return f"{self._class(kind)}({', '.join(written)})"


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


def _string(value: str, roots: tuple[str, ...]) -> str:
    """Write a string; the folder of the project, wherever it is checked out, is written as a fixed word."""
    for root in roots:
        if len(root) > 1 and root in value:
            return f"in the project {value.replace(root, '<project>')!r}"
    return repr(value)
