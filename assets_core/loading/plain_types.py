"""Which annotations mean a plain value, which JSON holds, and not a table.

Called by `signature.py`. It must not know what values there are.
"""

from __future__ import annotations

import collections.abc
import types
import typing

_PLAIN: frozenset[object] = frozenset([str, int, float, bool, types.NoneType])
_LISTS = (list, collections.abc.Sequence)
_MAPPINGS = (dict, collections.abc.Mapping)
_AROUND = (typing.Annotated, typing.Required, typing.NotRequired)
_PAIRS = (
    collections.abc.Iterable,
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
    *_LISTS,
)


def is_plain(annotation: object) -> bool:
    """Tell whether an annotation is a plain type: a text, a number, a boolean, None, or a list, mapping or typed dict
    of such; inside of these, also `Any`."""
    return _is_plain(annotation, is_inside=False, around=())


def is_plain_for_each_partition(annotation: object) -> bool:
    """Tell whether what a batched function returns are plain values by partition key, some perhaps exceptions."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in _MAPPINGS and len(arguments) == 2:
        return _is_plain_or_error(arguments[1])
    if origin in _PAIRS and arguments and typing.get_origin(arguments[0]) is tuple:
        pair = typing.get_args(arguments[0])
        return len(pair) == 2 and _is_plain_or_error(pair[1])
    return False


def may_be_none(annotation: object) -> bool:
    """Tell whether a plain annotation admits None."""
    return annotation is types.NoneType or types.NoneType in typing.get_args(annotation)


def _is_plain_or_error(annotation: object) -> bool:
    members = _members(annotation)
    values = [each for each in members if not (isinstance(each, type) and issubclass(each, BaseException))]
    return bool(values) and all(map(is_plain, values))


def _members(annotation: object) -> tuple[object, ...]:
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else (annotation,)


def _is_plain(annotation: object, *, is_inside: bool, around: tuple[object, ...]) -> bool:
    """`around`: the typed dicts that the annotation stands in, one of which it may name again."""

    def inner(each: object) -> bool:
        return _is_plain(each, is_inside=True, around=around)

    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in (typing.Any, object):
        return is_inside
    if isinstance(annotation, typing.NewType):
        return _is_plain(annotation.__supertype__, is_inside=is_inside, around=around)
    if typing.is_typeddict(annotation):
        if annotation in around:
            return True
        try:
            members = typing.get_type_hints(annotation).values()
        except (NameError, TypeError, AttributeError):
            return False
        return all(_is_plain(each, is_inside=True, around=(*around, annotation)) for each in members)
    if origin in _AROUND:
        return _is_plain(arguments[0], is_inside=is_inside, around=around)
    if origin is typing.Literal:
        return all(type(each) in _PLAIN for each in arguments)
    if origin in (typing.Union, types.UnionType):
        return all(_is_plain(each, is_inside=is_inside, around=around) for each in arguments)
    if (origin or annotation) in _LISTS:
        return all(map(inner, arguments))
    if (origin or annotation) in _MAPPINGS:
        return not arguments or (len(arguments) == 2 and arguments[0] is str and inner(arguments[1]))
    return isinstance(annotation, type) and annotation in _PLAIN
