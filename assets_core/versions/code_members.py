"""Answers what a loaded function or class holds: its closure, defaults, functions and data.

Called by code_parts.py. It must not know source files, nor call what it finds.
"""

from __future__ import annotations

import enum
import functools
import types
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from .code_modules import ABSENT

_DESCRIPTORS = (
    functools.cached_property,
    functools.partialmethod,
    functools.singledispatchmethod,
    types.MemberDescriptorType,
    types.GetSetDescriptorType,
)


def cells(function: FunctionType) -> dict[str, Any]:
    """Return what the closure of a function holds, by name."""
    held: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            held[name] = cell.cell_contents
        except ValueError:  # not bound yet
            held[name] = ABSENT
    return held


def defaults(function: FunctionType) -> dict[str, object]:
    """Return the default values of a function, by parameter."""
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    values = function.__defaults__ or ()
    named = dict(zip(positional[len(positional) - len(values) :], values, strict=True))
    return named | dict(sorted((function.__kwdefaults__ or {}).items()))


def members(kind: type) -> Iterator[tuple[str, FunctionType]]:
    """Yield the functions in a class, those behind descriptors too."""
    for name, value in vars(kind).items():
        match value:
            case staticmethod() | classmethod():
                held: dict[str, object] = {name: value.__func__}
            case property():
                held = {f"{name}.get": value.fget, f"{name}.set": value.fset, f"{name}.delete": value.fdel}
            case functools.cached_property() | functools.partialmethod():
                held = {name: value.func}
            case _:
                held = {name: value}
        for label, function in held.items():
            if isinstance(function, FunctionType):
                yield label, function


def attributes(kind: type) -> Iterator[tuple[str, object]]:
    """Yield the data in a class: no functions, slots, or what the language and its library keep there."""
    members = dict(kind.__members__) if issubclass(kind, enum.Enum) else {}
    for name, member in members.items():
        yield name, member.value
    for name, value in vars(kind).items():
        if name in members or name == "_abc_impl" or (name.startswith("_") and name.endswith("_")):
            continue
        if not isinstance(value, (FunctionType, staticmethod, classmethod, property, *_DESCRIPTORS)):
            yield name, value
