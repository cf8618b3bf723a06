"""Read a function's signature: which upstreams it names, how each is handed over, where the partition goes.

Called by `build.py`. Types are recognised by name, so that no data library is imported for it.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..declare import Upstream, declared_key
from ..errors import DefinitionError, Place, did_you_mean
from ..model.asset import HandOff
from ..model.partitions import Partition
from .plain_types import is_plain, is_plain_for_each_partition, may_be_none

_HAND_OFFS = {
    ("polars", "LazyFrame"): HandOff.POLARS_LAZY,
    ("polars", "DataFrame"): HandOff.POLARS,
    ("pyarrow", "Table"): HandOff.ARROW_TABLE,
    ("pyarrow", "RecordBatchReader"): HandOff.ARROW_READER,
    ("duckdb", "DuckDBPyRelation"): HandOff.DUCKDB,
    ("_duckdb", "DuckDBPyRelation"): HandOff.DUCKDB,
    ("pandas", "DataFrame"): HandOff.PANDAS,
}
_TABLES = [hand_off.value for hand_off in HandOff if hand_off is not HandOff.VALUE]
_ACCEPTED = f"{', '.join(_TABLES)}, a plain type such as str or dict[str, float]"


@dataclass(frozen=True, slots=True)
class Input:
    """One parameter that receives an upstream; `optional`: that there may be no partition of is fine."""

    name: str
    upstream: object
    declared: Upstream
    hand_off: HandOff
    by_partition: bool
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function asks for; `hints` are the annotations of all its parameters.

    `makes_value`: by its annotation it returns a plain value, of a batch one for each partition.
    """

    inputs: tuple[Input, ...]
    partition_parameter: str | None
    batch_partitions: bool
    hints: Mapping[str, object] = field(default_factory=dict)
    makes_value: bool = False


def read_signature(
    function: Callable[..., object], place: Place, *, batch: bool = False
) -> tuple[Signature, list[DefinitionError]]:
    """Return what a function's parameters ask for and what it returns, and everything that is wrong with them."""
    errors: list[DefinitionError] = []
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        remedy = "import the annotated types at run time, not only under TYPE_CHECKING"
        return Signature((), None, False), [
            DefinitionError(f"the annotations of {_name(function)} cannot be read: {error}", place=place, remedy=remedy)
        ]
    inputs: list[Input] = []
    partition_parameter, batch_partitions = None, False
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is not parameter.empty:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            errors.append(
                DefinitionError(
                    f"parameter {parameter} of {_name(function)} has no name to hand an upstream to",
                    place=place,
                    remedy="name each upstream as a parameter of its own",
                )
            )
            continue
        annotation, declared, optional = _unwrap(hints.get(name))
        if annotation is Partition or _is_sequence_of_partition(annotation):
            partition_parameter, batch_partitions = name, annotation is not Partition
            continue
        if is_plain(annotation):  # also a mapping of values: it is one value
            by_partition, optional = False, optional or may_be_none(annotation)
        else:
            by_partition, annotation = _by_partition(annotation)
        hand_off = hand_off_of(annotation)
        if hand_off is None:
            errors.append(_unknown_hand_off(function, name, hints.get(name), place))
            continue
        upstream = name if declared.asset is None else declared_key(declared.asset)
        inputs.append(Input(name, upstream, declared, hand_off, by_partition, optional or by_partition))
    is_value = is_plain_for_each_partition if batch else is_plain
    makes_value = "return" in hints and is_value(hints["return"])
    return Signature(tuple(inputs), partition_parameter, batch_partitions, hints, makes_value), errors


def hand_off_of(annotation: object) -> HandOff | None:
    """Return what an annotation asks to be handed, None where it is not one of the accepted types."""
    if is_plain(annotation):
        return HandOff.VALUE
    module, name = getattr(annotation, "__module__", ""), getattr(annotation, "__name__", "")
    return _HAND_OFFS.get((str(module).partition(".")[0], name))


def _unwrap(annotation: object) -> tuple[object, Upstream, bool]:
    """Return an annotation without what is around it: `Annotated`, with the upstream in it, and `| None`."""
    declared, optional = Upstream(), False
    while True:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            annotation, *extras = arguments
            declared = next((extra for extra in extras if isinstance(extra, Upstream)), declared)
        elif origin in (typing.Union, types.UnionType) and len(arguments) == 2 and types.NoneType in arguments:
            annotation, optional = next(each for each in arguments if each is not types.NoneType), True
        else:
            return annotation, declared, optional


def _is_sequence_of_partition(annotation: object) -> bool:
    return typing.get_origin(annotation) in (list, tuple, collections.abc.Sequence) and Partition in typing.get_args(
        annotation
    )


def _by_partition(annotation: object) -> tuple[bool, object]:
    if typing.get_origin(annotation) in (dict, collections.abc.Mapping):
        arguments = typing.get_args(annotation)
        if len(arguments) == 2 and arguments[0] is str:
            return True, arguments[1]
    return False, annotation


def _unknown_hand_off(function: Callable[..., object], name: str, annotation: object, place: Place) -> DefinitionError:
    shown = "has no annotation" if annotation is None else f"is annotated {inspect.formatannotation(annotation)}"
    near = did_you_mean(inspect.formatannotation(annotation), _TABLES) if annotation else ""
    return DefinitionError(
        f"parameter {name!r} of {_name(function)} {shown}, which says nothing about how to hand data over{near}",
        place=place,
        remedy=f"annotate it with one of {_ACCEPTED}, or Partition; give it a default if it is not an upstream",
    )


def _name(function: Callable[..., object]) -> str:
    return f"{getattr(function, '__qualname__', repr(function))}()"
