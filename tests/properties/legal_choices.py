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
from naive_partitions import Reading, Scheme, open_end, slots
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
def schemes(
    draw: st.DrawFn, base: tuple[str, date], kinds: tuple[str, ...], *, may_be_open: bool = False
) -> Scheme | None:
    """Draw a definition of one of some kinds, of few partitions around the base day; some with an open end."""
    kind = draw(st.sampled_from(kinds))
    if kind == "none":
        return None
    if kind == "static":
        return Scheme("static", keys=tuple(draw(st.lists(st.sampled_from(REGIONS), min_size=1, unique=True))))
    if kind == "dynamic":
        return Scheme("dynamic", name="places")
    if kind == "product":
        each = {"day": ("daily", "daily", "monthly"), "region": ("static", "dynamic"), "other": ("static",)}
        names = draw(
            st.sampled_from([("day", "region"), ("day", "region"), ("region", "day"), ("other", "day", "region")])
        )
        drawn = [(name, draw(schemes(base, each[name]))) for name in names]
        return Scheme(
            "product", dimensions=tuple((name, dimension) for name, dimension in drawn if dimension is not None)
        )
    tz, day = base
    scheme = Scheme(kind, tz=tz if draw(st.integers(0, 5)) else "UTC", every=draw(st.sampled_from([15, 30])))
    is_open = may_be_open and kind != "minute" and draw(st.integers(0, 2)) == 2
    return moved(draw, replace(scheme, ticks=draw(st.sampled_from(TICKS)), end_offset=0 if is_open else None), day)


TICKS = (((6,), (0, 1, 2, 3, 4, 5, 6)), ((2, 18), (5, 6)), ((0, 3), (6,)))
"""Hours and weekdays of cron expressions."""


def moved(draw: st.DrawFn, scheme: Scheme, day: date) -> Scheme:
    """Draw start and end of a definition anew; an open end stays one."""
    if scheme.end_offset is not None:
        found = moved(draw, replace(scheme, end_offset=None, until=None), day)
        return replace(found, end="", end_offset=draw(st.sampled_from([-1, 0, 0, 1])))
    if scheme.kind == "static":
        return replace(scheme, keys=tuple(draw(st.lists(st.sampled_from(REGIONS), min_size=1, unique=True))))
    if scheme.kind == "product":
        return replace(scheme, dimensions=tuple((name, moved(draw, part, day)) for name, part in scheme.dimensions))
    if scheme.kind == "dynamic":
        return scheme
    before, after = draw(st.integers(0, 2)), draw(st.integers(1, 3))
    match scheme.kind:
        case "minute":
            return replace(
                scheme,
                start=f"{day}T0{4 + before}:00",
                end=f"{day}T0{4 + before}:{15 * after if scheme.every == 15 else 30}",
            )
        case "cron":
            first, end = day - timedelta(days=before), day + timedelta(days=after)
            return replace(scheme, start=f"{first}T00:00", end=f"{end}T00:00")
        case "quarterly":
            return replace(scheme, start=f"{day.year}-Q{1 + before}", end=f"{day.year + 1}-Q{min(after, 2)}")
        case "yearly":
            return replace(scheme, start=str(day.year - before % 2), end=str(day.year + min(after, 2)))
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
    found = [Reading(), Reading("newest")]
    if downstream is not None and upstream is not None:
        found += _declared(downstream, upstream)
        keys, own = ([str(slot.key) for slot in slots(scheme)] for scheme in (upstream, downstream))
        if keys and own:
            table = {own[0]: (keys[-1],), own[-1]: (keys[0], keys[-1])}
            found.append(Reading("table", table=tuple(table.items())))
        if keys and not has_set(upstream):
            found += [Reading("fixed", keys=(keys[0],)), Reading("fixed", keys=(keys[-1], keys[0]))]
        if not has_set(upstream) and {slot.key for slot in slots(downstream)} <= {*keys}:
            found.append(Reading("same"))
    return (*(reading for reading in found if _is_accepted(reading, downstream, upstream)), Reading("all"))


def has_set(scheme: Scheme | None) -> bool:
    """Tell whether keys of a definition come and go."""
    return scheme is not None and (scheme.kind == "dynamic" or any(has_set(part) for _, part in scheme.dimensions))


def _declared(downstream: Scheme, upstream: Scheme) -> list[Reading]:
    if downstream.is_time and upstream.is_time:
        return [
            Reading("window", last=last, offset=offset)
            for last, offset in ((None, 0), (None, -1), (2, 0), (3, -1), (4, 1))
        ]
    inner = (Reading(), Reading("window", last=2), Reading("all"))
    if upstream.kind == "product":
        names = [name for name, _ in upstream.dimensions]
        found = [Reading("by_dimension", dimensions=((name, reading),)) for name in names for reading in inner[1:]]
        return [*found, Reading("by_dimension", dimensions=((names[0], inner[1]), (names[1], inner[2])))]
    if downstream.kind == "product":
        names = [name for name, _ in downstream.dimensions]
        given = (*inner, Reading("newest"))
        return [Reading("from_dimension", dimensions=((name, reading),)) for name in names for reading in given]
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
        case "table":
            return {"kind": "static_map", "keys": {key: list(row) for key, row in reading.table}}
        case "newest":
            return {"kind": "last_available"}
    return {} if reading.kind == "inferred" else {"kind": reading.kind}


def definition(scheme: Scheme | None) -> Partitions | None:
    """Return the product's value of a definition."""
    return None if scheme is None else parse_partitions(members(scheme))


def members(scheme: Scheme) -> dict[str, Any]:
    """Return a definition as the header of a SQL file spells it."""
    if scheme.kind == "static":
        return {"kind": "static", "keys": list(scheme.keys)}
    if scheme.kind == "dynamic":
        return {"kind": "dynamic", "name": scheme.name}
    if scheme.kind == "product":
        return {"kind": "product", "dimensions": {name: members(part) for name, part in scheme.dimensions}}
    more: dict[str, Any] = {"every": scheme.every} if scheme.kind == "minute" else {}
    more |= {"cron": scheme.cron} if scheme.kind == "cron" else {}
    end = {"end": scheme.end} if scheme.end_offset is None else {"end_offset": scheme.end_offset}
    return {"kind": scheme.kind, "start": scheme.start, "tz": scheme.tz, **end, **more}


def may_follow(downstream: Scheme | None, upstream: Scheme | None) -> bool:
    """Tell whether `after` is accepted between two definitions."""
    return _is_accepted(Reading(), downstream, upstream)


def repaired(project: Project) -> Project:
    """Return the project with what an edit made impossible taken back, and with every file that it needs."""
    assets: dict[str, Asset] = {}
    for key, asset in project.assets.items():
        asset = replace(asset, scheme=as_of_now(asset.scheme, project))
        known = {**assets, key: asset}
        inputs = tuple(_repaired_input(asset, g, known) for g in asset.inputs if _is_possible(asset, g, assets))
        after = tuple(k for k in asset.after if k in assets and may_follow(asset.scheme, assets[k].scheme))
        knows_place = asset.uses_place and asset.scheme is not None
        asset = replace(asset, inputs=inputs, after=after, uses_place=knows_place)
        assets[key] = replace(asset, batch=asset.batch and may_batch(asset, known))
    files = {
        (asset.key, slot.key): ((sum(f"{asset.key}{slot.key}".encode()) % 60, 1, 0),)
        for asset in assets.values()
        if asset.is_external
        for slot in slots(asset.scheme)
    }
    return replace(project, assets=assets, files={**files, **project.files})


def as_of_now(scheme: Scheme | None, project: Project) -> Scheme | None:
    """Return a definition with the keys that its sets have now, and with its end as of now."""
    if scheme is not None and scheme.end_offset is not None:
        assert project.now is not None
        return replace(scheme, until=open_end(scheme, project.now))
    if scheme is None or not has_set(scheme):
        return scheme
    if scheme.kind == "dynamic":
        return replace(scheme, keys=project.sets.get(scheme.name, ()))
    parts = ((name, as_of_now(part, project)) for name, part in scheme.dimensions)
    return replace(scheme, dimensions=tuple((name, part) for name, part in parts if part is not None))


def _is_possible(asset: Asset, given: Input, assets: Mapping[str, Asset]) -> bool:
    """Tell whether an input can still be read: of an earlier asset, or of earlier partitions of the asset itself."""
    if given.upstream == asset.key:
        return asset.scheme is not None and asset.scheme.is_time and given.reading.kind == "window"
    return given.upstream in assets


def _repaired_input(asset: Asset, given: Input, assets: Mapping[str, Asset]) -> Input:
    upstream = assets[given.upstream]
    by_partition = given.by_partition and upstream.scheme is not None
    given = replace(given, by_partition=by_partition, optional=given.optional and not by_partition)
    if upstream is asset:
        return given
    accepted = readings(asset.scheme, upstream.scheme)
    is_possible = given.reading in accepted and not (asset.kind == "sql_file" and given.reading.is_function)
    reading = given.reading if is_possible else accepted[-1 if accepted[0].is_function else 0]
    return replace(given, reading=reading)


def may_batch(asset: Asset, assets: Mapping[str, Asset]) -> bool:
    """Tell whether one call for several cells gives each what a call of its own would give it."""
    return (
        asset.kind == "function"
        and asset.scheme is not None
        and not any(given.upstream == asset.key for given in asset.inputs)
        and all(_is_same_for_all(given, assets) or _is_own(asset, given, assets) for given in asset.inputs)
    )


def _is_same_for_all(given: Input, assets: Mapping[str, Asset]) -> bool:
    whole = given.reading.kind == "all" or assets[given.upstream].scheme is None
    return whole and not given.by_partition and given.hand_off != "pa.RecordBatchReader"  # which is read once


def _is_own(asset: Asset, given: Input, assets: Mapping[str, Asset]) -> bool:
    upstream = assets[given.upstream].scheme
    is_identity = given.reading.kind == "same" or (given.reading.kind == "inferred" and upstream == asset.scheme)
    return given.by_partition and is_identity
