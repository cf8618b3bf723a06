"""Does a crash or an error of the disk, at any step of any operation, lose nothing, and does the next run repair it?

Each step is tried here with each fault at one of its calls; every_call.py tries every call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from crash_case import WATCHED, Bench
from failing_io import WRITES, Driver, Fault
from operations import ASSETS
from steps import Placed

FOLLOW = frozenset(["folder: make", "index lock: open", "index: remove write-ahead log", "stamp: write"])
APPLY = FOLLOW | {"index: write write-ahead log", "index: fsync write-ahead log", "index: write", "index: fsync"}
REPLACE = FOLLOW | {"index draft: remove", "index draft: write", "index draft: fsync", "index: rename into place"}
APPEND = frozenset(["journal: open", "journal: write group", "journal: fsync", "witness: note the end"])
COMPACT = frozenset(
    [
        "folder: make",
        "index lock: open",
        "journal: open",
        "journal: new segment",
        "compaction: take turns",
        "compaction: write draft",
        "compaction: rename into place",
        "compaction: remove what was replaced",
    ]
)
PUBLISH = frozenset(
    [
        "lease: take",
        "lease: give back",
        "definitions: note",
        "data: prepare staging",
        "data: write staging",
        "data: fsync staging",
        "data: rename into place",
        "data: fsync folder",
        "lineage: write",
    ]
)

STEPS: Mapping[str, frozenset[str]] = {
    "append": APPEND | {"journal: new segment", "folder: make"},
    "append_after_crash": APPEND | {"journal: cut an incomplete line"},
    "apply": APPLY,
    "rebuild": REPLACE,
    "migrate": REPLACE | {"definitions: note", "outputs: note"},
    "publish": PUBLISH | APPEND | APPLY | {"outputs: note"},
    "publish_first": PUBLISH | APPEND | APPLY | REPLACE | {"journal: new segment", "data: make folder"},
    "compact": COMPACT,
    "prune": COMPACT | APPEND | REPLACE | {"index: remove", "lineage: write"},
    "gc": APPEND | {"folder: make", "index lock: open", "collection: remove file", "data: fsync folder"},
    "rollback": APPEND | {"folder: make", "index lock: open", "definitions: note", "outputs: note"},
    "anchor": APPEND | {"folder: make", "journal: new segment"},
}
"""What each operation does: a step that is new, or not reached any more, fails the suite."""

TRIED: Mapping[str, frozenset[str]] = {
    "append": STEPS["append"] - FOLLOW,
    "append_after_crash": frozenset(["journal: cut an incomplete line"]),
    "apply": APPLY - {"folder: make"},
    "rebuild": REPLACE - FOLLOW,
    "publish": PUBLISH | {"folder: make", "outputs: note", "journal: write group", "journal: fsync"},
    "publish_first": frozenset(["data: make folder"]),
    "compact": COMPACT - {"folder: make", "index lock: open", "journal: open"},
    "prune": (COMPACT - {"journal: open"}) | {"index: remove", "index: rename into place", "journal: write group"},
    "gc": frozenset(["collection: remove file", "data: fsync folder", "journal: write group"]),
    "rollback": frozenset(["journal: write group", "journal: fsync"]),
    "anchor": frozenset(["journal: new segment", "journal: write group"]),
}
"""Where each step is tried: in the quickest operation, and appending once more where data hangs on it."""

CHANGE_NOTHING = frozenset(["open", "fsync", "fdatasync"])
TAKE_SPACE = WRITES | {"create", "mkdir"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Driver() as driver:
        yield Bench(tmp_path_factory.mktemp("faults"), driver)


@pytest.mark.parametrize("operation", WATCHED)
def test_every_operation_takes_the_steps_that_are_known_and_no_other(bench: Bench, operation: str) -> None:
    assert {place.step for place in bench.calls(operation)} == STEPS[operation]


def test_every_step_is_tried() -> None:
    assert frozenset().union(*TRIED.values()) == frozenset().union(*STEPS.values())


def test_data_is_durable_before_the_record_that_publishes_it_is_written(bench: Bench) -> None:
    places = bench.calls("publish")
    renames = [number for number, place in enumerate(places) if place.step == "data: rename into place"]
    assert len(renames) == len(ASSETS)
    for renamed in renames:
        staged, final = places[renamed].call.path, places[renamed].call.other
        before = [place.call.name for place in places[:renamed] if place.call.path == staged]
        assert before[-1] == "fsync"
        record = next(n for n in range(renamed, len(places)) if places[n].step == "journal: write group")
        durable = [place.call.path for place in places[renamed:record] if place.step == "data: fsync folder"]
        assert str(Path(str(final)).parent) in durable


@pytest.mark.parametrize(
    ("operation", "step"), [(operation, step) for operation, steps in TRIED.items() for step in sorted(steps)]
)
def test_a_fault_at_a_step_loses_nothing_and_the_next_run_repairs_it(bench: Bench, operation: str, step: str) -> None:
    wrong = []
    for what, place in chosen([place for place in bench.calls(operation) if place.step == step]):
        _, found = bench.inject(operation, Fault(place.area, place.at, what))
        wrong += [f"{what} at {place.call.name} {place.at} of {place.area or 'all'}: {text}" for text in found]
    assert wrong == []


def chosen(places: list[Placed]) -> Iterator[tuple[str, Placed]]:
    """Yield each fault with the call of a step at which it is tried: the first one, the last one or one between.

    To be killed behind a call that changes no file is to be killed before it.
    """
    changes = [place for place in places if place.call.name not in CHANGE_NOTHING]
    writes = [place for place in places if place.call.writes]
    spacious = [place for place in places if place.call.name in TAKE_SPACE]
    yield "kill", places[0]
    if changes:
        yield "kill_after", changes[-1]
    yield "EIO", places[-1]
    if writes:
        yield "short", writes[len(writes) // 2]
    if spacious:
        yield "ENOSPC", spacious[len(spacious) // 2]
