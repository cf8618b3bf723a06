"""What may be chosen in a random project: partitions, mappings between two, and how a project is repaired.

Used by `random_edits.py`. Whether a mapping is accepted is asked of the product; what it then means is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import Any

from hypothesis import strategies as st
from naive_partitions import Reading, Scheme, slots
from random_project import Asset, Input, Project

from assets_core.model.mapping import Explicit, MappingError, PartitionMapping, parse_mapping, resolve
from assets_core.model.partitions import Partitions, parse_partitions

REGIONS = ("eu", "us", "apac")
BASES = (
    ("UTC", date(2021, 3, 28)),
    ("Europe/Berlin", date(2021, 3, 28)),
    ("Europe/Berlin", date(2021, 10, 31)),
    ("America/New_York", date(2021, 3, 14)),
)
"""A zone and a day on which its clocks change."""


@st.composite
def schemes(draw: st.DrawFn, base: tuple[str, date], kinds: tuple[str, ...]) -> Scheme | None:
    """Draw a definition of one of some kinds, of few partitions around the base day."""
    kind = draw(st.sampled_from(kinds))
    if kind == "none":
        return None
    if kind == "static":
        return Scheme("static", keys=tuple(draw(st.lists(st.sampled_from(REGIONS), min_size=1, unique=True))))
    if kind == "product":
        drawn = [("day", draw(schemes(base, ("daily",)))), ("region", draw(schemes(base, ("static",))))]
        dimensions = [(name, dimension) for name, dimension in drawn if dimension is not None]
        return Scheme("product", dimensions=tuple(draw(st.permutations(dimensions))))
    tz, day = base
    return moved(draw, Scheme(kind, tz=tz if draw(st.integers(0, 5)) else "UTC"), day)


def moved(draw: st.DrawFn, scheme: Scheme, day: date) -> Scheme:
    """Draw start and end of a definition anew."""
    if scheme.kind == "static":
        return replace(scheme, keys=tuple(draw(st.lists(st.sampled_from(REGIONS), min_size=1, unique=True))))
    if scheme.kind == "product":
        return replace(scheme, dimensions=tuple((name, moved(draw, part, day)) for name, part in scheme.dimensions))
    before, after = draw(st.integers(0, 2)), draw(st.integers(1, 3))
    match scheme.kind:
        case "hourly":
            return replace(scheme, start=f"{day}T{[0, 1, 3][before]:02d}:00", end=f"{day}T{3 + after:02d}:00")
        case "daily":
            first, end = day - timedelta(days=before), day + timedelta(days=after)
        case "weekly":
            monday = day - timedelta(days=day.weekday())
            first, end = monday - timedelta(weeks=before), monday + timedelta(weeks=after)
        case _:
            return replace(scheme, start=_month(day, -before), end=_month(day, min(after, 2)))
    return replace(scheme, start=str(first), end=str(end))


def _month(day: date, more: int) -> str:
    month = day.year * 12 + day.month - 1 + more
    return f"{month // 12}-{month % 12 + 1:02d}"


@cache
def readings(downstream: Scheme | None, upstream: Scheme | None) -> tuple[Reading, ...]:
    """Return the mappings between two definitions that the product accepts; reading all of it is the last one."""
    found = [Reading()]
    if downstream is not None and upstream is not None:
        found += _declared(downstream, upstream)
        keys = [str(slot.key) for slot in slots(upstream)]
        found += [Reading("fixed", keys=(keys[0],)), Reading("fixed", keys=(keys[-1], keys[0]))]
        if {slot.key for slot in slots(downstream)} <= {*keys}:
            found.append(Reading("same"))
    return (*(reading for reading in found if _is_accepted(reading, downstream, upstream)), Reading("all"))


def _declared(downstream: Scheme, upstream: Scheme) -> list[Reading]:
    if downstream.is_time and upstream.is_time:
        return [
            Reading("window", last=last, offset=offset)
            for last, offset in ((None, 0), (None, -1), (2, 0), (3, -1), (4, 1))
        ]
    if upstream.kind == "product":
        windows = (Reading("window", last=2), Reading("all"))
        return [
            *(Reading("by_dimension", dimensions=(("day", reading),)) for reading in windows),
            Reading("by_dimension", dimensions=(("region", Reading("all")),)),
            Reading("by_dimension", dimensions=(("day", windows[0]), ("region", Reading("all")))),
        ]
    if downstream.kind == "product":
        inner = (
            ("day", Reading()),
            ("day", Reading("window", last=3)),
            ("region", Reading()),
            ("region", Reading("all")),
        )
        return [Reading("from_dimension", dimensions=(pair,)) for pair in inner]
    return []


def _is_accepted(reading: Reading, downstream: Scheme | None, upstream: Scheme | None) -> bool:
    try:
        resolve(_mapping(reading), definition(downstream), definition(upstream))
    except MappingError:
        return False
    return True


def _mapping(reading: Reading) -> PartitionMapping | None:
    return (
        None
        if reading.kind == "inferred"
        else parse_mapping(document(reading))
        if not reading.is_function
        else Explicit(list)
    )


def document(reading: Reading) -> Mapping[str, Any]:
    """Return a mapping as the header of a SQL file spells it."""
    inner = {name: document(part) for name, part in reading.dimensions}
    match reading.kind:
        case "window":
            return {"kind": "time_window", "last": reading.last, "offset": reading.offset}
        case "by_dimension":
            return {"kind": "by_dimension", "dimensions": inner}
        case "from_dimension":
            ((name, part),) = inner.items()
            return {"kind": "from_dimension", "name": name, "mapping": part or None}
    return {} if reading.kind == "inferred" else {"kind": reading.kind}


def definition(scheme: Scheme | None) -> Partitions | None:
    """Return the product's value of a definition."""
    return None if scheme is None else parse_partitions(_members(scheme))


def _members(scheme: Scheme) -> dict[str, Any]:
    if scheme.kind == "static":
        return {"kind": "static", "keys": list(scheme.keys)}
    if scheme.kind == "product":
        return {"kind": "product", "dimensions": {name: _members(part) for name, part in scheme.dimensions}}
    return {"kind": scheme.kind, "start": scheme.start, "end": scheme.end, "tz": scheme.tz}


def may_follow(downstream: Scheme | None, upstream: Scheme | None) -> bool:
    """Tell whether `after` is accepted between two definitions."""
    return _is_accepted(Reading(), downstream, upstream)


def repaired(project: Project) -> Project:
    """Return the project with what an edit made impossible taken back, and with every file that it needs."""
    assets: dict[str, Asset] = {}
    for key, asset in project.assets.items():
        inputs = tuple(_repaired_input(asset, given, assets) for given in asset.inputs if given.upstream in assets)
        after = tuple(k for k in asset.after if k in assets and may_follow(asset.scheme, assets[k].scheme))
        knows_place = asset.uses_place and asset.scheme is not None
        asset = replace(asset, inputs=inputs, after=after, uses_place=knows_place)
        assets[key] = replace(asset, batch=asset.batch and may_batch(asset, assets))
    files = {
        (asset.key, slot.key): ((sum(f"{asset.key}{slot.key}".encode()) % 60, 1, 0),)
        for asset in assets.values()
        if asset.is_external
        for slot in slots(asset.scheme)
    }
    return replace(project, assets=assets, files={**files, **project.files})


def _repaired_input(asset: Asset, given: Input, assets: Mapping[str, Asset]) -> Input:
    upstream = assets[given.upstream]
    accepted = readings(asset.scheme, upstream.scheme)
    is_possible = given.reading in accepted and not (asset.kind == "sql_file" and given.reading.is_function)
    reading = given.reading if is_possible else accepted[-1 if accepted[0].is_function else 0]
    return replace(given, reading=reading, by_partition=given.by_partition and upstream.scheme is not None)


def may_batch(asset: Asset, assets: Mapping[str, Asset]) -> bool:
    """Tell whether one call for several cells gives each what a call of its own would give it."""
    return (
        asset.kind == "function"
        and asset.scheme is not None
        and all(_is_same_for_all(given, assets) or _is_own(asset, given, assets) for given in asset.inputs)
    )


def _is_same_for_all(given: Input, assets: Mapping[str, Asset]) -> bool:
    whole = given.reading.kind == "all" or assets[given.upstream].scheme is None
    return whole and not given.by_partition and given.hand_off != "pa.RecordBatchReader"  # which is read once


def _is_own(asset: Asset, given: Input, assets: Mapping[str, Asset]) -> bool:
    upstream = assets[given.upstream].scheme
    is_identity = given.reading.kind == "same" or (given.reading.kind == "inferred" and upstream == asset.scheme)
    return given.by_partition and is_identity
