"""Drop the texts of old records that nothing needs; their hashes stay, and with them the chain, its seals and proofs.

Called by `assets catalog compact`. Which records are needed is asked of the index (queries/droppable_records.sql); what
is written is the journal. A call that is cut short at any moment loses nothing, and the next one ends what it began.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from .apply import position_of
from .audit import prove
from .compaction import discard, put_in_place, remove_drafts, unchanging, written
from .durable import sync
from .errors import CatalogBusy, CatalogError, JournalDamaged, disk_errors
from .journal import Fact, Journal
from .locks import in_turn
from .queries import load as query
from .records import Line, Tail
from .segments import HASH, Segment, segment_name, segments, tail
from .session import Catalog

_ATTEMPTS = 3
_DROP = "1"


@dataclass(frozen=True, slots=True)
class DataKept:
    """Versions whose data is kept, though no longer current, and so their records: superseded after `since`, or among
    the newest `versions` of their cell."""

    since: datetime
    versions: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was dropped, or would be: from how many segments how many texts, and the bytes of their files."""

    before: str | None = None
    segments: int = 0
    dropped: int = 0
    bytes_before: int = 0
    bytes_after: int = 0


@dataclass(frozen=True, slots=True)
class _Reduced:
    """A segment, how many records it has, how many texts of it will be gone in all, and its new file."""

    segment: Segment
    records: int
    dropped: int
    draft: Path


@dataclass(frozen=True, slots=True)
class _Intention:
    """What may be dropped by the journal up to `place`: for each record of a closed segment a character, 1 for yes."""

    place: Tail
    before: str
    data: DataKept
    marks: str

    def of(self, segment: Segment, following: Segment) -> str:
        return self.marks[segment.first - 1 : following.first - 1]


class _Overtaken(Exception):
    """Meanwhile a record was appended that needs what was about to be dropped."""


def prune(
    state: Path, journal: Journal, before: datetime | None, data: DataKept, reason: str, *, is_trial: bool = False
) -> Pruned:
    """Drop the texts of records older than `before` that nothing needs; None: only end what a call before began.

    `state`: the folder of journal and index. Where `is_trial`, nothing is changed, and sizes are not told.

    *Raises* CatalogBusy, JournalDamaged, CatalogError; a journal that is not as it was written is not touched.
    """
    folder, catalog = state / "journal", Catalog(state)
    with unchanging(folder), disk_errors(folder):
        remove_drafts(folder)
        stated, unfinished = _stated(catalog)
        asked = [] if before is None else [f"{_text(before)}Z"]
        if not is_trial:
            _discard_full_forms(folder, stated)
        if not asked and not unfinished:
            return Pruned()
        _require_intact(folder)
        for _ in range(_ATTEMPTS):
            intention = _intention(catalog, folder, max(asked + unfinished), data)
            chosen = _chosen(folder, intention)
            if is_trial or not chosen:
                dropped = sum(marks.count(_DROP) for _, marks in chosen)
                return Pruned(intention.before, len(chosen), dropped)
            try:
                return _replace(state, journal, intention, chosen, stated, reason)
            except _Overtaken:
                remove_drafts(folder)
        raise CatalogBusy(
            f"each time when old records of {folder} were to be dropped, one was needed again",
            remedy="prune while nothing is rolled back",
        )


def _stated(catalog: Catalog) -> tuple[dict[str, int], list[str]]:
    """Return how many texts of each segment are recorded as dropped, and up to when those are that are still there."""
    with catalog.read() as connection:
        rows = connection.sql(query("pruned_segments")).fetchall()
    return {name: dropped for name, dropped, _, _ in rows}, [
        before for _, dropped, gone, before in rows if gone < dropped
    ]


def _require_intact(folder: Path) -> None:
    """A record whose text is dropped is believed from then on: so believe none that is wrong."""
    problems = prove(folder).problems
    if problems:
        raise CatalogError(
            f"nothing was dropped from {folder}, since it is not as it was written: {problems[0]}",
            remedy="see what is wrong: assets audit verify",
        )


def _intention(catalog: Catalog, folder: Path, before: str, data: DataKept) -> _Intention:
    with catalog.read() as connection:
        place = position_of(connection)
        found = segments(folder)
        last = found[-1].first - 1 if found else 0
        marks = None
        if last:
            ((marks,),) = connection.sql(
                query("droppable_records"),
                params={
                    "last": last,
                    "before": before.removesuffix("Z"),
                    "data_since": _text(data.since),
                    "versions": data.versions,
                },
            ).fetchall()
    return _Intention(place, before, data, marks or "0" * last)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def _chosen(folder: Path, intention: _Intention) -> list[tuple[Segment, str]]:
    """Return the segments that have something to drop, with the marks of their records."""
    marked = [(segment, intention.of(segment, following)) for segment, following in pairwise(segments(folder))]
    return [(segment, marks) for segment, marks in marked if _DROP in marks]


def _replace(
    state: Path,
    journal: Journal,
    intention: _Intention,
    chosen: Sequence[tuple[Segment, str]],
    stated: dict[str, int],
    reason: str,
) -> Pruned:
    """Write the reduced segments, record what they lack, and put them in place of the full ones."""
    folder, catalog = state / "journal", Catalog(state)
    bytes_before = sum(segment.path.stat().st_size for segment, _ in chosen)
    reduced = [_reduced(segment, marks) for segment, marks in chosen]
    bytes_after = sum(one.draft.stat().st_size for one in reduced)
    sync(folder)
    payload = {
        "before": intention.before,
        "segments": [[one.segment.name, one.records, one.dropped] for one in reduced],
        "reason": reason,
    }
    is_stated = all(one.dropped <= stated.get(one.segment.name, 0) for one in reduced)
    with ExitStack() as locked:

        def decide(_: Sequence[Line]) -> list[Fact]:
            # Nobody appends now: what is not needed here is needed by no record that stands before the one to come.
            if tail(folder) != intention.place:
                marks = _intention(catalog, folder, intention.before, intention.data).marks[: len(intention.marks)]
                if int(intention.marks, 2) & ~int(marks, 2):
                    raise _Overtaken
            locked.enter_context(in_turn(state / "catalog.lock", exclusive=True))
            return [] if is_stated else [("pruned", payload)]

        journal.turn(decide)
        # First the index, which is derived: one of the full records must not be taken for one of the reduced ones.
        for name in ("catalog.stamp", "catalog.duckdb.wal", "catalog.duckdb"):
            (state / name).unlink(missing_ok=True)
        sync(state)
        for one in reduced:
            put_in_place(one.draft, one.segment)
            discard(*_full_forms(folder, one.segment))
    catalog.rebuild()
    dropped = sum(marks.count(_DROP) for _, marks in chosen)
    return Pruned(intention.before, len(reduced), dropped, bytes_before, bytes_after)


def _reduced(segment: Segment, marks: str) -> _Reduced:
    lines = segment.content().split(b"\n")[:-1]
    kept = [line[:HASH] if mark == _DROP else line for line, mark in zip(lines, marks, strict=True)]
    content = b"".join(line + b"\n" for line in kept)
    draft = written(segment.path.with_name(f"{segment.name.removesuffix('.jsonl')}.pruned.jsonl.gz"), content)
    return _Reduced(segment, len(kept), sum(len(line) == HASH for line in kept), draft)


def _full_forms(folder: Path, segment: Segment) -> tuple[Path, Path]:
    return folder / segment.name, folder / f"{segment.name}.gz"


def _discard_full_forms(folder: Path, stated: dict[str, int]) -> None:
    """Remove what a call that was cut short has left beside a reduced segment, if that is what it should be."""
    for segment in segments(folder):
        if not segment.is_pruned:
            continue
        for form in _full_forms(folder, segment):
            if not form.exists():
                continue
            full = Segment(segment.first, form, False, form.suffix == ".gz").content().split(b"\n")
            lines = segment.content().split(b"\n")
            dropped = sum(len(line) == HASH for line in lines)
            is_reduced = len(lines) == len(full) and all(
                line in (whole, whole[:HASH]) for line, whole in zip(lines, full, strict=True)
            )
            if not is_reduced or dropped > stated.get(segment_name(segment.first), 0):
                raise JournalDamaged(segment.first, segment.path, f"it lacks more of {form.name} than was dropped")
            discard(form)
