"""Does retention drop only what nothing needs, prove what it left, and survive being cut short anywhere?"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from catalog_facts import (
    FACTS,
    OTHER_RUN,
    RUN,
    SESSION,
    Fact,
    attempt_failed,
    claimed,
    declared,
    digest,
    failed,
    judged,
    materialized,
    observed,
    published,
    rolled_back,
    run_ended,
    run_started,
    steered,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mortal import die_before

from catalog import journal as journal_module
from catalog import retention
from catalog.apply import apply, create_tables
from catalog.audit import prove
from catalog.compaction import compress
from catalog.errors import CatalogError
from catalog.inclusion import inclusion_proof
from catalog.journal import Journal
from catalog.queries import load as query
from catalog.records import Line, Record
from catalog.retention import DataKept, Pruned, prune
from catalog.segments import read, read_lines, segments
from catalog.session import Catalog

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
FAR = datetime(2030, 1, 1, tzinfo=UTC)
_NOW = "{table} AS t SEMI JOIN publication AS p ON p.source_seq = t.{column} AND p.superseded_seq IS NULL ORDER BY ALL"
STILL_ASKED = {
    "cells": "FROM cell ORDER BY asset, partition",
    "failures": "FROM cell_failure ORDER BY asset, partition",
    "numbering": "FROM numbering ORDER BY ALL",
    "declared": "FROM declaration ORDER BY seq",
    "lineage": "FROM column_lineage ORDER BY ALL",
    "columns": "SELECT t.* FROM " + _NOW.format(table="materialization_column", column="seq"),
    "inputs": "SELECT t.* FROM " + _NOW.format(table="materialization_input", column="seq"),
    "verdicts": "SELECT t.* FROM " + _NOW.format(table="judged", column="source_seq"),
    "open runs": "FROM run WHERE ended_seq IS NULL ORDER BY ALL",
}


class Clock:
    """A clock that goes on by an hour each time that somebody looks."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        self.now += timedelta(hours=1)
        return self.now


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 700)


@pytest.fixture
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / ".assets"


def journal_of(state: Path, clock: Callable[[], datetime] | None = None) -> Journal:
    return Journal(state / "journal", SESSION, clock or Clock())


def written(state: Path, groups: Sequence[Sequence[Fact]]) -> tuple[Journal, list[datetime]]:
    """Append groups; return the journal, and the time of each group."""
    clock, times = Clock(), []
    journal = journal_of(state, clock)
    for group in groups:
        journal.append(group)
        times.append(clock.now)
    return journal, times


def answers(state: Path) -> dict[str, list[tuple[Any, ...]]]:
    with Catalog(state).read() as connection:
        return {name: connection.sql(sql).fetchall() for name, sql in STILL_ASKED.items()}


def texts(state: Path) -> dict[int, Record]:
    return {record.seq: record for record in read(state / "journal")}


def assert_proved(state: Path, dropped: int) -> None:
    proof = prove(state / "journal")
    assert proof.problems == []
    assert proof.pruned == dropped
    assert Catalog(state).verify() == []


def rebuilds(count: int = 12, asset: str = "a") -> list[list[Fact]]:
    """Return runs, each of which makes the same cell anew; every hour one."""
    groups: list[list[Fact]] = [[declared(asset)]]
    for number in range(count):
        run, version = f"{number:08}-0000-4000-8000-000000000000", f"v{number}"
        groups.append([run_started(run), claimed(asset, run=run)])
        made = materialized(asset, version=version, run=run)
        groups.append([made, judged(asset, version=version), published((asset, None, version, "k"))])
        groups.append([run_ended(run)])
    return groups


def drop(state: Path, journal: Journal, before: datetime | None = None, **options: Any) -> Pruned:
    """Prune, with no data kept for its own sake."""
    return prune(state, journal, before, DataKept(FAR, 0), "retention", **options)


_TURNS = st.one_of(
    st.builds(observed, st.just("a"), st.none(), st.sampled_from(["v", "w"])),
    st.builds(
        lambda version, checks: published(("a", None, version, checks)),
        st.sampled_from(["v", "w"]),
        st.sampled_from([None, "checks 1", "checks 2"]),
    ),
    st.builds(lambda version: rolled_back(("a", None, version)), st.sampled_from(["v", "w"])),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    facts=st.one_of(
        st.lists(_TURNS, min_size=4, max_size=14),
        st.lists(FACTS, min_size=2, max_size=4).map(lambda groups: [fact for group in groups for fact in group]),
    ),
    place=st.floats(0, 1),
    chance=st.randoms(use_true_random=False),
)
def test_what_is_current_now_or_was_at_the_horizon_or_later_needs_nothing_of_what_is_dropped(
    facts: list[Fact], place: float, chance: random.Random
) -> None:
    facts = [*facts, run_ended(RUN), run_ended(OTHER_RUN)]  # a run that goes on keeps all that follows its start
    with tempfile.TemporaryDirectory() as folder:
        written(Path(folder), [[fact] for fact in facts])
        lines = list(read_lines(Path(folder) / "journal"))
    first = lines[int(place * (len(lines) - 1))]
    asked = STILL_ASKED | {
        f"as of {position}": f"SELECT * EXCLUDE (state) FROM cell_as_of({position}) ORDER BY asset, partition"
        for position in range(first.seq - 1, len(lines) + 1)
    }
    bound = {"last": len(lines), "before": first.record().at[:-1], "data_since": "2030-01-01", "versions": 0}
    with index_of(lines) as index:
        expected = {name: index.sql(sql).fetchall() for name, sql in asked.items()}
        ((marks,),) = index.sql(query("droppable_records"), params=bound).fetchall()
    dropped = {seq for seq, mark in enumerate(marks or "", 1) if mark == "1"}
    assert not dropped or max(dropped) < first.seq
    for chosen in (dropped, {seq for seq in sorted(dropped) if chance.random() < 0.5}):  # not all: it was cut short
        left = [line._replace(kind="", v=0, text=b"") if line.seq in chosen else line for line in lines]
        with index_of(left) as index:
            assert {name: index.sql(sql).fetchall() for name, sql in asked.items()} == expected


@contextmanager
def index_of(lines: Sequence[Line]) -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect(config={"threads": "1"})) as connection:
        create_tables(connection)
        apply(connection, lines)
        yield connection


def test_the_making_of_old_versions_loses_its_texts_and_nothing_else_changes(state: Path) -> None:
    journal, times = written(state, rebuilds())
    before, all_texts, root = answers(state), texts(state), prove(state / "journal").root
    sizes = sum(segment.path.stat().st_size for segment in segments(state / "journal"))

    pruned = drop(state, journal, times[-1])

    left = texts(state)
    assert answers(state) == before
    assert {record.kind for seq, record in all_texts.items() if seq not in left} == {
        "run_started", "claimed", "materialized", "judged", "published", "run_ended",
    }  # fmt: skip
    assert pruned.dropped == len(all_texts.keys() - left.keys()) > 40
    assert all(left[seq] == record for seq, record in all_texts.items() if seq in left)
    assert sum(segment.path.stat().st_size for segment in segments(state / "journal")) < sizes
    assert_proved(state, pruned.dropped)
    assert root is not None
    assert drop(state, journal, times[-1]).dropped == 0


def test_what_was_tried_again_and_what_was_asked_of_old_runs_loses_its_text(state: Path) -> None:
    run = "00000000-0000-4000-8000-000000000000"  # the first of them
    tried: list[Fact] = [attempt_failed(run=run), steered(run=run)]
    journal, times = written(state, [*rebuilds(1), tried, *rebuilds()])
    before = answers(state)
    drop(state, journal, times[-1])
    assert answers(state) == before
    assert {record.kind for record in texts(state).values()}.isdisjoint({"attempt_failed", "steered"})


def test_what_is_kept_can_still_be_proved_to_a_stranger_and_what_is_not_cannot(state: Path) -> None:
    journal, times = written(state, rebuilds())
    proof = inclusion_proof(state / "journal", [2])
    drop(state, journal, times[-1])
    (now,), (then,) = (found["records"] for found in (inclusion_proof(state / "journal", [2]), proof))
    told = ("seq", "text", "previous", "path", "segment", "segment_records")  # the segments above it have become more
    assert [now[name] for name in told] == [then[name] for name in told]
    with pytest.raises(CatalogError, match="text of record 5 was pruned"):
        inclusion_proof(state / "journal", [5])


def test_a_second_pruning_goes_further_and_states_the_whole(state: Path) -> None:
    journal, times = written(state, rebuilds())
    first = drop(state, journal, times[12])
    before = answers(state)
    second = drop(state, journal, times[-1])
    assert first.dropped
    assert second.dropped
    assert answers(state) == before
    assert_proved(state, first.dropped + second.dropped)


def test_a_trial_tells_and_changes_nothing(state: Path) -> None:
    journal, times = written(state, rebuilds())
    before = contents(state)
    told = drop(state, journal, times[-1], is_trial=True)
    assert contents(state) == before
    assert told.dropped == drop(state, journal, times[-1]).dropped


def test_versions_whose_data_is_kept_keep_their_records(state: Path) -> None:
    journal, times = written(state, rebuilds())
    prune(state, journal, times[-1], DataKept(FAR, 3), "retention")
    with Catalog(state).read() as connection:
        kept = connection.sql("SELECT version FROM materialization ORDER BY seq").fetchall()
    closed = segments(state / "journal")[-1].first
    last = [record.payload["version"] for record in texts(state).values() if record.kind == "materialized"]
    assert closed > 1
    assert [version for (version,) in kept] == last
    assert last[-3:] == [digest(f"v{number}") for number in (9, 10, 11)]
    assert len(last) == 4  # with the first: since then partitions are numbered as they are


def test_every_digest_of_the_file_of_a_version_that_is_kept_stays_recorded(state: Path) -> None:
    groups = []
    for number, written_as in enumerate(["old", "older", "old", "new"]):
        run = f"{number:08}-0000-4000-8000-00000000000a"
        made = materialized("b", run=run, file_digest=digest(written_as)[:32])
        groups += [[run_started(run), made], [published(("b", None, "v", "k"))], [run_ended(run)]]
    journal, times = written(state, [*groups, *rebuilds()])
    before = answers(state)
    assert drop(state, journal, times[-1]).dropped
    assert answers(state) == before
    asked = {"asset": "b", "versions": [digest("v"), digest("another")]}
    with Catalog(state).read() as connection:
        ((version, digests),) = connection.sql(query("file_digests"), params=asked).fetchall()
        ((count,),) = connection.sql("SELECT count(*) FROM materialized WHERE asset = 'b'").fetchall()
    assert (version, sorted(digests)) == (digest("v"), sorted(digest(text)[:32] for text in ("old", "older", "new")))
    assert count <= 4


def test_a_version_that_came_back_is_not_judged_by_the_verdict_of_the_time_before(state: Path) -> None:
    groups = [
        [observed("a", None, "v"), materialized("b", None, "x")],
        [published(("a", None, "v", "checks 1"), ("b", None, "x", "checks 1"))],
        [observed("a", None, "w")],
        [observed("a", None, "v")],
    ]
    journal, times = written(state, [*groups, *rebuilds(asset="c")])
    before = answers(state)
    assert drop(state, journal, times[-1]).dropped
    assert answers(state) == before


def test_an_observation_is_judged_by_the_verdict_on_the_same_version_before_it(state: Path) -> None:
    groups = [
        [observed("a", None, "v")],
        [observed("a", None, "v")],
        [published(("a", None, "v", "checks 1"))],
        [observed("a", None, "v")],
        [observed("a", None, "v")],
    ]
    journal, times = written(state, [*groups, *rebuilds(asset="c")])
    before = answers(state)
    assert drop(state, journal, times[-1]).dropped
    assert answers(state) == before


def test_claims_of_a_run_that_goes_on_are_kept_however_old(state: Path) -> None:
    run = "99999999-0000-4000-8000-000000000000"
    journal, times = written(state, [[run_started(run), claimed("b", run=run)], *rebuilds()])
    assert drop(state, journal, times[-1]).dropped == 0
    journal.append([run_ended(run)])
    pruned = drop(state, journal, times[-1])
    assert pruned.dropped
    assert "claimed" not in {record.kind for record in texts(state).values() if record.payload.get("run") == run}


def test_the_newest_failure_of_a_cell_is_kept_with_its_verdict(state: Path) -> None:
    groups = [[run_started(), failed("b", message="first")], [judged("b", passed=False), failed("b", message="last")]]
    journal, times = written(state, [*groups, [run_ended()], *rebuilds()])
    drop(state, journal, times[-1])
    assert [r.payload["message"] for r in texts(state).values() if r.kind == "failed"] == ["last"]
    assert [r.kind for r in texts(state).values() if r.payload.get("asset") == "b"] == ["judged", "failed"]


# What an audit says


def test_a_text_that_is_cut_away_unsaid_is_found(state: Path) -> None:
    journal, times = written(state, rebuilds())
    dropped = drop(state, journal, times[-1]).dropped
    assert_proved(state, dropped)
    pruned = [segment for segment in segments(state / "journal") if segment.is_pruned]
    segment = next(segment for segment in pruned if any(len(line) > 64 for line in segment.content().split(b"\n")[1:]))
    lines = segment.content().split(b"\n")
    victim = max(number for number, line in enumerate(lines) if len(line) > 64)
    lines[victim] = lines[victim][:64]
    segment.path.write_bytes(gzip.compress(b"\n".join(lines)))
    (problem,) = prove(state / "journal").problems
    assert "texts are missing" in problem.what


def test_a_damaged_journal_is_not_pruned(state: Path) -> None:
    journal, times = written(state, rebuilds())
    answers(state)
    victim = segments(state / "journal")[2].path
    victim.write_bytes(victim.read_bytes().replace(b'"v":1', b'"v":2', 1))
    with pytest.raises(CatalogError, match="nothing was dropped"):
        drop(state, journal, times[-1])
    assert not list((state / "journal").glob("*.pruned*"))


# Cut short


class Stopped(BaseException):
    """The process ended here."""


def states_when_killed(state: Path, horizon: datetime) -> Iterator[Path]:
    """Yield a copy of the folder as a process leaves it that is killed before the n-th of its calls, for every n."""
    number, seen = 0, set()
    while True:
        copy = state.parent / f"killed {number}" / ".assets"
        shutil.copytree(state, copy)
        child = os.fork()
        if child == 0:
            die_before(number)
            try:
                drop(copy, journal_of(copy), horizon)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            return
        left = frozenset(contents(copy).items()), frozenset(path.name for path in copy.iterdir())
        if left not in seen:  # many calls only make durable what is there
            seen.add(left)
            yield copy
        shutil.rmtree(copy.parent)
        number += 1


def test_killed_at_any_moment_it_has_lost_nothing_and_the_next_one_ends_it(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 4500)
    _, times = written(state, rebuilds(3))
    before = answers(state)
    seen = set()
    for copy in states_when_killed(state, times[-1]):
        folder = copy / "journal"
        seen.add(
            (
                len(list(folder.glob("*.new"))),
                len(list(folder.glob("*.pruned.jsonl.gz"))),
                (copy / "catalog.duckdb").exists(),
            )
        )
        assert prove(folder).problems == []
        assert answers(copy) == before
        assert Catalog(copy).verify() == []
        journal = journal_of(copy)
        is_stated = any(record.kind == "pruned" for record in texts(copy).values())
        done = drop(copy, journal, None if is_stated else times[-1])
        proof = prove(folder)
        assert proof.problems == []
        assert proof.pruned > 5
        assert done.dropped <= proof.pruned
        assert answers(copy) == before
        assert not list(folder.glob("*.new"))
        names = [path.name[:20] for path in folder.glob("0*")]
        assert len(names) == len(set(names))
    assert len(seen) > 3


def test_what_a_rollback_needs_meanwhile_is_not_dropped(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, times = written(state, rebuilds())
    other = journal_of(state)
    chosen = retention._chosen
    rollbacks = [[rolled_back(("a", None, "v3"))], [rolled_back(("a", None, "v5"))]]

    def overtaken(*arguments: Any) -> Any:
        if rollbacks:
            other.append(rollbacks.pop())
        return chosen(*arguments)

    monkeypatch.setattr(retention, "_chosen", overtaken)
    pruned = drop(state, journal, times[-1])
    assert pruned.dropped
    with Catalog(state).read() as connection:
        assert connection.sql("SELECT version FROM cell").fetchall() == [(digest("v3"),)]
        assert {v for (v,) in connection.sql("SELECT version FROM materialization").fetchall()} >= {
            digest("v3"), digest("v5"), digest("v11")
        }  # fmt: skip
    assert_proved(state, pruned.dropped)


def test_compression_after_it_leaves_it_readable(state: Path) -> None:
    journal, times = written(state, rebuilds())
    dropped = drop(state, journal, times[20]).dropped
    before = answers(state)
    assert compress(state / "journal", journal).segments
    assert all(segment.is_compressed for segment in segments(state / "journal")[:-1])
    assert answers(state) == before
    assert_proved(state, dropped)


def contents(state: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (state / "journal").glob("0*")}
