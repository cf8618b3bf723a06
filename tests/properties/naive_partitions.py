"""What are the cells of partitions, and what does a cell read, said with dates and loops alone?

Used by the random projects and their oracle. It must not use the product: it is what the product is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise, product
from zoneinfo import ZoneInfo

TIME_KINDS = ("hourly", "daily", "weekly", "monthly")


@dataclass(frozen=True)
class Scheme:
    """A definition of partitions, as it is written in a project; weeks begin on Monday."""

    kind: str
    start: str = ""
    end: str = ""
    tz: str = "UTC"
    keys: tuple[str, ...] = ()
    dimensions: tuple[tuple[str, Scheme], ...] = ()

    @property
    def is_time(self) -> bool:
        return self.kind in TIME_KINDS

    @property
    def rule(self) -> str:
        """Return what the meaning of a key depends on."""
        if self.is_time:
            return f"{self.kind} {self.tz}"
        return ", ".join([self.kind, *(f"{name} {dimension.rule}" for name, dimension in self.dimensions)])

    def source(self) -> str:
        """Return the definition in Python."""
        if self.is_time:
            return f"{self.kind.capitalize()}Partitions({self.start!r}, {self.end!r}, tz={self.tz!r})"
        if self.kind == "static":
            return f"StaticPartitions({list(self.keys)!r})"
        inner = ", ".join(f"{name}={dimension.source()}" for name, dimension in self.dimensions)
        return f"ProductPartitions({inner})"

    def header(self) -> str:
        """Return the definition in the TOML of a SQL file."""
        if self.is_time:
            return f'{{kind = "{self.kind}", start = "{self.start}", end = "{self.end}", tz = "{self.tz}"}}'
        if self.kind == "static":
            return f'{{kind = "static", keys = [{", ".join(f"{key!r}" for key in self.keys)}]}}'
        inner = ", ".join(f"{name} = {dimension.header()}" for name, dimension in self.dimensions)
        return f'{{kind = "product", dimensions = {{{inner}}}}}'


@dataclass(frozen=True)
class Slot:
    """One partition: its key, its time in UTC where it has one, its parts where it is of a product."""

    key: str | None
    start: datetime | None = None
    end: datetime | None = None
    parts: Mapping[str, Slot] = field(default_factory=dict)


WHOLE = Slot(None)
"""The one cell of an asset without partitions."""


@cache
def slots(scheme: Scheme | None) -> list[Slot]:
    """Return the partitions of a definition in order."""
    if scheme is None:
        return [WHOLE]
    if scheme.kind == "static":
        return [Slot(key) for key in scheme.keys]
    if scheme.is_time:
        start, end = _moment(scheme.start, scheme.tz), _moment(scheme.end, scheme.tz)
        around = timeline(scheme.kind, scheme.tz, start - timedelta(days=1), end + timedelta(days=1))
        return [slot for slot in around if slot.start is not None and start <= slot.start < end]
    names = [name for name, _ in scheme.dimensions]
    return [
        _joined(dict(zip(names, parts, strict=True))) for parts in product(*(slots(d) for _, d in scheme.dimensions))
    ]


def _joined(parts: dict[str, Slot]) -> Slot:
    timed = [part for part in parts.values() if part.start is not None]
    start, end = (timed[0].start, timed[0].end) if len(timed) == 1 else (None, None)
    return Slot("|".join(str(part.key) for part in parts.values()), start, end, parts)


def _moment(text: str, tz: str) -> datetime:
    moment = datetime.fromisoformat(f"{text}-01" if len(text) == 7 else text)
    return moment.replace(tzinfo=ZoneInfo(tz)).astimezone(UTC)


def timeline(kind: str, tz: str, begin: datetime, end: datetime) -> list[Slot]:
    """Return the partitions of a grain, whatever the bounds of a definition, that lie around a time, in order."""
    found: list[Slot] = []
    keys = list(_edges(kind, ZoneInfo(tz), begin, end))
    for (key, start), (_, stop) in pairwise(keys):
        found.append(Slot(key, start, stop))
    return found


def _edges(kind: str, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[tuple[str, datetime]]:
    if kind == "hourly":
        moment = begin.replace(minute=0, second=0, microsecond=0)
        while moment <= end:
            text = moment.astimezone(zone).isoformat(timespec="minutes")
            yield text.removesuffix("+00:00") + ("Z" if text.endswith("+00:00") else ""), moment
            moment += timedelta(hours=1)
        return
    day = begin.astimezone(zone).date() - timedelta(days=40)
    while day <= end.astimezone(zone).date() + timedelta(days=40):
        if kind == "daily" or (kind == "weekly" and day.weekday() == 0) or (kind == "monthly" and day.day == 1):
            yield day.isoformat()[: 7 if kind == "monthly" else 10], midnight(day, zone)
        day += timedelta(days=1)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the start of a day in UTC; the zones used here never skip a midnight."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True)
class Reading:
    """A mapping as written: inferred, all, window, same and fixed (explicit), by_dimension, from_dimension."""

    kind: str = "inferred"
    last: int | None = None
    offset: int = 0
    keys: tuple[str, ...] = ()
    dimensions: tuple[tuple[str, Reading], ...] = ()

    def source(self) -> str | None:
        """Return the mapping in Python; None where nothing is written."""
        match self.kind:
            case "inferred":
                return None
            case "all":
                return "AllPartitions()"
            case "window":
                return f"TimeWindow(last={self.last}, offset={self.offset})"
            case "same":
                return "Explicit(same_key)"
            case "fixed":
                return f"Explicit(lambda key: {list(self.keys)!r})"
            case "by_dimension":
                inner = ", ".join(f"{name}={reading.source()}" for name, reading in self.dimensions)
                return f"ByDimension({inner})"
        name, reading = self.dimensions[0]
        return f"FromDimension({name!r}, {reading.source()})"

    def header(self) -> str | None:
        """Return the mapping in the TOML of a SQL file."""
        match self.kind:
            case "inferred":
                return None
            case "all":
                return '{kind = "all"}'
            case "window":
                last = "" if self.last is None else f", last = {self.last}"
                return f'{{kind = "time_window"{last}, offset = {self.offset}}}'
            case "by_dimension":
                inner = ", ".join(f"{name} = {reading.header()}" for name, reading in self.dimensions)
                return f'{{kind = "by_dimension", dimensions = {{{inner}}}}}'
            case "from_dimension":
                name, reading = self.dimensions[0]
                inner = reading.header() or ""
                return f'{{kind = "from_dimension", name = "{name}"{f", mapping = {inner}" if inner else ""}}}'
        raise ValueError(f"a function cannot be written in TOML: {self.kind}")

    @property
    def is_function(self) -> bool:
        return self.kind in ("same", "fixed") or any(reading.is_function for _, reading in self.dimensions)


@cache
def cells_read(
    reading: Reading, downstream: Scheme | None, upstream: Scheme | None
) -> Mapping[str | None, frozenset[str | None]]:
    """Return for each key of the downstream the keys of the upstream that it reads."""
    return {slot.key: frozenset(reads(reading, downstream, slot, upstream)) for slot in slots(downstream)}


def reads(reading: Reading, downstream: Scheme | None, slot: Slot, upstream: Scheme | None) -> set[str | None]:
    """Return the keys of the upstream's partitions that a partition reads."""
    known = {other.key for other in slots(upstream)}
    match reading.kind:
        case "all":
            return known
        case "same":
            return known & {slot.key}
        case "fixed":
            return known & set(reading.keys)
        case "window":
            assert upstream is not None
            return known & _window(slot, upstream, reading.last, reading.offset)
        case "from_dimension":
            name, inner = reading.dimensions[0]
            assert downstream is not None
            return reads(inner, dict(downstream.dimensions)[name], slot.parts[name], upstream)
        case "by_dimension":
            return _by_dimension(dict(reading.dimensions), downstream, slot, upstream)
    return _inferred(downstream, slot, upstream)


def _inferred(downstream: Scheme | None, slot: Slot, upstream: Scheme | None) -> set[str | None]:
    known = {other.key for other in slots(upstream)}
    if downstream is None or upstream is None:
        return known
    if upstream.kind == "product":
        return _by_dimension({}, downstream, slot, upstream)
    if downstream.kind == "product":
        fitting = [name for name, dimension in downstream.dimensions if dimension.is_time == upstream.is_time]
        assert len(fitting) == 1
        return _inferred(dict(downstream.dimensions)[fitting[0]], slot.parts[fitting[0]], upstream)
    if upstream.is_time:
        return known & _window(slot, upstream, None, 0)
    return known & {slot.key}


def _by_dimension(
    given: Mapping[str, Reading], downstream: Scheme | None, slot: Slot, upstream: Scheme | None
) -> set[str | None]:
    assert upstream is not None
    found: dict[str, set[str | None]] = {}
    for name, dimension in upstream.dimensions:
        reading = given.get(name, Reading())
        if downstream is not None and downstream.kind == "product":
            own = dict(downstream.dimensions).get(name)
            found[name] = reads(reading, own, slot.parts.get(name, WHOLE), dimension)
        elif name in given or downstream is None or _alike(downstream, dimension):
            found[name] = reads(reading, downstream, slot, dimension)
        else:
            found[name] = {other.key for other in slots(dimension)}
    return {
        other.key for other in slots(upstream) if all(part.key in found[name] for name, part in other.parts.items())
    }


def _alike(one: Scheme, other: Scheme) -> bool:
    return (one.is_time and other.is_time) or bool(set(one.keys) & set(other.keys))


def _window(slot: Slot, upstream: Scheme, last: int | None, offset: int) -> set[str | None]:
    """Return the keys, in and out of bounds, that overlap a partition's time, reaching back to `last`, then moved."""
    assert slot.start is not None
    assert slot.end is not None
    margin = timedelta(days={"hourly": 2, "daily": 20, "weekly": 90, "monthly": 400}[upstream.kind])
    around = timeline(upstream.kind, upstream.tz, slot.start - margin, slot.end + margin)
    places = [
        place
        for place, other in enumerate(around)
        if other.start is not None and other.end is not None and other.start < slot.end and other.end > slot.start
    ]
    low = places[0] if last is None else min(places[0], places[-1] + 1 - last)
    return {around[place + offset].key for place in range(low, places[-1] + 1)}
