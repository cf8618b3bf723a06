"""Which values the parameters of an asset have: defaults from its definition, overridden by `assets.toml`.

Called by `build.py`. It must not know what the values are for.
"""

from __future__ import annotations

import datetime as dt
import inspect
import math
import pprint
import types
import typing
from collections.abc import Callable, Mapping

from ..errors import DefinitionError, UserError, did_you_mean
from ..model.code_part import CodePart
from ..versions.code import code_part
from .configured import Configured

_WORDS: dict[type, str] = {
    str: "a text",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    list: "a list",
    tuple: "a list",
    dict: "a table",
    dt.date: "a date",
    dt.datetime: "a time with its date",
    dt.time: "a time of day",
}


def defaults_of(function: Callable[..., object]) -> dict[str, object]:
    """Return the defaults of a function that a value can be given for, by parameter."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty and parameter.kind is not parameter.POSITIONAL_ONLY
    }


def overridden(
    asset: str, defaults: Mapping[str, object], hints: Mapping[str, object], configured: Configured
) -> tuple[dict[str, object], list[DefinitionError]]:
    """Return the values that `assets.toml` gives to parameters of an asset, and what is wrong with them.

    `hints` are their annotations, where there are some: they count where a default is None.
    """
    values: dict[str, object] = {}
    errors: list[DefinitionError] = []
    for name, value in configured.parameters.get(asset, {}).items():
        try:
            if name not in defaults:
                names = ", ".join(defaults) or "none: give a parameter a default"
                raise UserError(
                    f"{asset} has no parameter {name!r} with a default{did_you_mean(name, defaults)}",
                    remedy=f"those that can be given a value are {names}",
                )
            values[name] = _fitted(f"parameter {name!r} of {asset}", value, defaults[name], hints.get(name))
        except UserError as error:
            place = configured.place("parameters", asset, name)
            errors.append(DefinitionError(error.what, place=place, remedy=error.remedy))
    return values, errors


def unknown_assets(known: typing.Collection[str], configured: Configured) -> list[DefinitionError]:
    """Return an error for each asset that has values in `assets.toml` but is not defined."""
    return [
        DefinitionError(
            f"there is no asset {asset!r} to give parameters to{did_you_mean(asset, known)}",
            place=configured.place("parameters", asset),
            remedy="name an asset's key, in quotes where it has a slash",
        )
        for asset in configured.parameters
        if asset not in known
    ]


def require_plain(what: str, value: object) -> None:
    """Refuse a default that could not be written in TOML. Raises: UserError."""
    inner: list[object] = [value]
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise UserError(f"{what} has a name that is not a text", remedy="name its members by texts")
        inner = list(value.values())
    elif isinstance(value, list | tuple):
        inner = list(value)
    elif type(value) not in _WORDS:
        raise UserError(
            f"{what} is {value!r}", remedy="give a text, a number, a boolean, a date or time, or a list or dict of such"
        )
    else:
        return
    for each in inner:
        require_plain(what, each)


def parameter_parts(values: Mapping[str, object]) -> list[CodePart]:
    """Return the part of each value; values of two types never look the same."""
    return [
        code_part("parameter", name, f"{name} = {pprint.pformat(value, width=100, sort_dicts=False)}")
        for name, value in values.items()
    ]


def json_value(value: object) -> typing.Any:
    """Return a value in JSON: times as ISO texts, numbers that JSON does not have as their names."""
    match value:
        case dict():
            return {name: json_value(each) for name, each in value.items()}
        case list() | tuple():
            return [json_value(each) for each in value]
        case dt.date() | dt.time():
            return value.isoformat()
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def _fitted(what: str, value: object, default: object, hint: object) -> object:
    """Return a value of TOML as the type that a default has. Raises: UserError where it is another one."""
    wanted = [type(default)] if default is not None else _annotated(hint)
    if not wanted or type(value) in wanted:
        return value
    if type(value) is int and float in wanted:
        return float(value)
    if isinstance(value, list) and tuple in wanted:
        return tuple(value)
    words = " or ".join(_WORDS.get(kind, f"a {kind.__qualname__}, which TOML has no value for") for kind in wanted)
    given = _WORDS.get(type(value), type(value).__name__)
    raise UserError(f"{what} is {given}, {value!r}; by its default, {default!r}, it is {words}", remedy=f"give {words}")


def _annotated(hint: object) -> list[type]:
    """Return the types that an annotation admits beside None; none where they are not plain ones."""
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    members = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    kinds = [typing.get_origin(member) or member for member in members if member is not types.NoneType]
    return [kind for kind in kinds if isinstance(kind, type)] if all(kind in _WORDS for kind in kinds) else []
