"""What are the cells of partitions, and what does a cell read, said with dates and loops alone?

Used by the random projects and their oracle. It must not use the product: it is what the product is compared with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise, product
from zoneinfo import ZoneInfo

TIME_KINDS = ("minute", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly", "cron")
LENGTHS = {
    "minute": 0.02,
    "hourly": 0.1,
    "daily": 1,
    "weekly": 7,
    "monthly": 31,
    "quarterly": 92,
    "yearly": 366,
    "cron": 7,
}
"""About how many days a partition is long, at most."""


@dataclass(frozen=True)
class Scheme:
    """A definition of partitions, as it is written in a project; weeks begin on Monday.

    `every`: minutes of a window. `ticks`: hours and weekdays (0 is Monday) of a cron expression. `keys` of a dynamic
    set are those that were added to it. An open end, moved by `end_offset`, is now at `until`.
    """

    kind: str
    start: str = ""
    end: str = ""
    tz: str = "UTC"
    keys: tuple[str, ...] = ()
    dimensions: tuple[tuple[str, Scheme], ...] = ()
    every: int = 15
    ticks: tuple[tuple[int, ...], tuple[int, ...]] = ((6,), (0, 1, 2, 3, 4))
    name: str = ""
    end_offset: int | None = None
    until: datetime | None = None

    @property
    def cron(self) -> str:
        hours, weekdays = (",".join(map(str, numbers)) for numbers in self.ticks)
        days = ",".join(str((int(day) + 1) % 7) for day in weekdays.split(","))
        return f"0 {hours} * * {days}"

    @property
    def is_time(self) -> bool:
        return self.kind in TIME_KINDS

    @property
    def rule(self) -> str:
        """Return what the meaning of a key depends on."""
        if self.is_time:
            more = {"minute": f" {self.every}", "cron": f" {self.cron}"}.get(self.kind, "")
            return f"{self.kind} {self.tz}{more}"
        if self.kind == "dynamic":
            return f"dynamic {self.name}"
        return ", ".join([self.kind, *(f"{name} {dimension.rule}" for name, dimension in self.dimensions)])

    def source(self) -> str:
        """Return the definition in Python."""
        if self.end_offset is not None:
            cron = f"{self.cron!r}, " if self.kind == "cron" else ""
            end = f"tz={self.tz!r}, end_offset={self.end_offset}"
            return f"{self.kind.capitalize()}Partitions({cron}{self.start!r}, {end})"
        if self.kind == "cron":
            return f"CronPartitions({self.cron!r}, {self.start!r}, {self.end!r}, tz={self.tz!r})"
        if self.is_time:
            every = f", every={self.every}" if self.kind == "minute" else ""
            return f"{self.kind.capitalize()}Partitions({self.start!r}, {self.end!r}, tz={self.tz!r}{every})"
        if self.kind == "dynamic":
            return f"DynamicPartitions({self.name!r})"
        if self.kind == "static":
            return f"StaticPartitions({list(self.keys)!r})"
        inner = ", ".join(f"{name}={dimension.source()}" for name, dimension in self.dimensions)
        return f"ProductPartitions({inner})"

    def header(self) -> str:
        """Return the definition in the TOML of a SQL file."""
        if self.is_time:
            more = {"minute": f", every = {self.every}", "cron": f', cron = "{self.cron}"'}.get(self.kind, "")
            return f'{{kind = "{self.kind}", start = "{self.start}", end = "{self.end}", tz = "{self.tz}"{more}}}'
        if self.kind == "dynamic":
            return f'{{kind = "dynamic", name = "{self.name}"}}'
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
    if scheme.kind in ("static", "dynamic"):
        return [Slot(key) for key in scheme.keys]
    if scheme.is_time:
        start, end = _moment(scheme.start, scheme.tz), scheme.until or _moment(scheme.end, scheme.tz)
        around = timeline(scheme, start - timedelta(days=1), end + timedelta(days=1))
        return [slot for slot in around if slot.start is not None and start <= slot.start < end]
    names = [name for name, _ in scheme.dimensions]
    return [
        _joined(dict(zip(names, parts, strict=True))) for parts in product(*(slots(d) for _, d in scheme.dimensions))
    ]


def open_end(scheme: Scheme, now: datetime) -> datetime:
    """Return where a definition with an open end ends now: behind its last complete partition, moved by its offset."""
    assert scheme.end_offset is not None
    margin = timedelta(days=LENGTHS[scheme.kind] * 3 + 1)
    around = [slot for slot in timeline(scheme, now - margin, now + margin) if slot.start is not None]
    running = next(place for place, slot in enumerate(around) if slot.end is not None and slot.end > now)
    end = around[running + scheme.end_offset].start
    assert end is not None
    return end


def _joined(parts: dict[str, Slot]) -> Slot:
    timed = [part for part in parts.values() if part.start is not None]
    start, end = (timed[0].start, timed[0].end) if len(timed) == 1 else (None, None)
    return Slot("|".join(str(part.key) for part in parts.values()), start, end, parts)


def _moment(text: str, tz: str) -> datetime:
    if text[4:6] == "-Q":
        text = f"{text[:4]}-{int(text[6]) * 3 - 2:02d}"
    moment = datetime.fromisoformat(f"{text}-01-01" if len(text) == 4 else f"{text}-01" if len(text) == 7 else text)
    return moment.replace(tzinfo=ZoneInfo(tz)).astimezone(UTC)


@cache
def timeline(scheme: Scheme, begin: datetime, end: datetime) -> list[Slot]:
    """Return the partitions of a grain, whatever the bounds of a definition, that lie around a time, in order."""
    found: list[Slot] = []
    keys = list(_edges(scheme, ZoneInfo(scheme.tz), begin, end))
    for (key, start), (_, stop) in pairwise(keys):
        found.append(Slot(key, start, stop))
    return found


def _edges(scheme: Scheme, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[tuple[str, datetime]]:
    kind = scheme.kind
    if kind in ("minute", "hourly"):
        moment = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        while moment <= end + timedelta(hours=1):
            yield _spelled(moment, zone), moment
            moment += timedelta(minutes=scheme.every if kind == "minute" else 60)
        return
    length = int(LENGTHS[kind]) + 10
    day = begin.astimezone(zone).date() - timedelta(days=length)
    while day <= end.astimezone(zone).date() + timedelta(days=length):
        if kind == "cron":
            yield from _ticks(scheme, zone, day)
        elif (name := _named(kind, day)) is not None:
            yield name, midnight(day, zone)
        day += timedelta(days=1)


def _named(kind: str, day: date) -> str | None:
    """Return the key of the partition that begins with a day, if one does."""
    match kind:
        case "daily":
            return str(day)
        case "weekly":
            return str(day) if day.weekday() == 0 else None
        case "monthly":
            return f"{day:%Y-%m}" if day.day == 1 else None
        case "quarterly":
            return f"{day:%Y}-Q{day.month // 3 + 1}" if day.day == 1 and day.month in (1, 4, 7, 10) else None
    return f"{day:%Y}" if (day.month, day.day) == (1, 1) else None


def _ticks(scheme: Scheme, zone: ZoneInfo, day: date) -> Iterator[tuple[str, datetime]]:
    """Yield the ticks of a day: at each hour that the clock shows for the first time, or skips."""
    hours, weekdays = scheme.ticks
    if day.weekday() not in weekdays:
        return
    seen: set[datetime] = set()
    for hour in sorted(hours):
        moment = midnight(day, zone)
        while moment.astimezone(zone).replace(tzinfo=None) < datetime(day.year, day.month, day.day, hour):  # noqa: DTZ001
            moment += timedelta(minutes=15)
        if moment not in seen:
            yield _spelled(moment, zone), moment
        seen.add(moment)


def _spelled(moment: datetime, zone: ZoneInfo) -> str:
    text = moment.astimezone(zone).isoformat(timespec="minutes")
    return text.removesuffix("+00:00") + ("Z" if text.endswith("+00:00") else "")


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the start of a day in UTC; the zones used here never skip a midnight."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True)
class Reading:
    """A mapping as written.

    `kind`: inferred, all, window, newest, table (a static map), same and fixed (explicit), by_dimension or
    from_dimension.
    """

    kind: str = "inferred"
    last: int | None = None
    offset: int = 0
    keys: tuple[str, ...] = ()
    dimensions: tuple[tuple[str, Reading], ...] = ()
    table: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def source(self) -> str | None:
        """Return the mapping in Python; None where nothing is written."""
        match self.kind:
            case "inferred":
                return None
            case "all":
                return "AllPartitions()"
            case "window":
                return f"TimeWindow(last={self.last}, offset={self.offset})"
            case "newest":
                return "LastAvailable()"
            case "table":
                return f"StaticMap({ {key: list(row) for key, row in self.table}!r})"
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
            case "newest":
                return '{kind = "last_available"}'
            case "table":
                rows = ", ".join(f"{json.dumps(key)} = {json.dumps(row)}" for key, row in self.table)
                return f'{{kind = "static_map", keys = {{{rows}}}}}'
            case "by_dimension":
                written = [(name, reading.header()) for name, reading in self.dimensions]
                inner = ", ".join(f"{name} = {header}" for name, header in written if header is not None)
                return f'{{kind = "by_dimension", dimensions = {{{inner}}}}}'
            case "from_dimension":
                name, reading = self.dimensions[0]
                inner = reading.header() or ""
                return f'{{kind = "from_dimension", name = "{name}"{f", mapping = {inner}" if inner else ""}}}'
        raise ValueError(f"a function cannot be written in TOML: {self.kind}")

    @property
    def is_newest(self) -> bool:
        return self.kind == "newest" or (self.kind == "from_dimension" and self.dimensions[0][1].is_newest)

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
    """Return the keys of the upstream's partitions that a partition reads; of `newest` those that it may read.

    Which one of these it is, `newest` tells.
    """
    known = {other.key for other in slots(upstream)}
    match reading.kind:
        case "all":
            return known
        case "same":
            return known & {slot.key}
        case "fixed":
            return known & set(reading.keys)
        case "newest":
            end = None if downstream is None or not downstream.is_time else slot.end
            return {o.key for o in slots(upstream) if end is None or (o.start is not None and o.start < end)}
        case "table":
            return known & {key for own, row in reading.table if own == slot.key for key in row}
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


def newest(
    candidates: set[str | None], upstream: Scheme | None, is_there: Callable[[str | None], bool]
) -> set[str | None]:
    """Return the last of some partitions of an upstream that is there, if any is."""
    there = [slot.key for slot in slots(upstream) if slot.key in candidates and is_there(slot.key)]
    return set(there[-1:])


def _inferred(downstream: Scheme | None, slot: Slot, upstream: Scheme | None) -> set[str | None]:
    known = {other.key for other in slots(upstream)}
    if downstream is None or upstream is None:
        return known
    if upstream.kind == "product":
        return _by_dimension({}, downstream, slot, upstream)
    if downstream.kind == "product":
        fitting = [name for name, dimension in downstream.dimensions if _fits(dimension, upstream)]
        assert len(fitting) == 1
        return _inferred(dict(downstream.dimensions)[fitting[0]], slot.parts[fitting[0]], upstream)
    if upstream.is_time:
        return known & _window(slot, upstream, None, 0)
    return known & {slot.key}


def _fits(dimension: Scheme, upstream: Scheme) -> bool:
    if dimension.kind == upstream.kind == "static":
        return set(dimension.keys) <= set(upstream.keys)
    return dimension.is_time if upstream.is_time else (dimension.kind, dimension.name) == (upstream.kind, upstream.name)


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
    if "dynamic" in (one.kind, other.kind):
        return (one.kind, one.name) == (other.kind, other.name)
    return (one.is_time and other.is_time) or bool(set(one.keys) & set(other.keys))


def _window(slot: Slot, upstream: Scheme, last: int | None, offset: int) -> set[str | None]:
    """Return the keys, in and out of bounds, that overlap a partition's time, reaching back to `last`, then moved."""
    assert slot.start is not None
    assert slot.end is not None
    margin = timedelta(days=LENGTHS[upstream.kind] * 9 + 1)
    at_noon = time(12, tzinfo=UTC)  # so that the cells of a day look at the same ones
    around = timeline(
        upstream, datetime.combine(slot.start - margin, at_noon), datetime.combine(slot.end + margin, at_noon)
    )
    places = [
        place
        for place, other in enumerate(around)
        if other.start is not None and other.end is not None and other.start < slot.end and other.end > slot.start
    ]
    low = places[0] if last is None else min(places[0], places[-1] + 1 - last)
    return {around[place + offset].key for place in range(low, places[-1] + 1)}
