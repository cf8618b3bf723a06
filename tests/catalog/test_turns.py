"""Do those who append together take turns: nothing lost, nothing seen twice, and one sync for all who wait?"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from catalog_facts import SESSION, withdrawn
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import CatalogError
from catalog.journal import Journal
from catalog.records import START, Line
from catalog.segments import read, tail, verify

THREADS, APPENDS = 8, 40


def test_threads_share_syncs_and_each_keeps_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    real_sync = os.fsync

    def counted(descriptor: int) -> None:
        syncs.append(descriptor)
        real_sync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    writer = Journal(tmp_path, SESSION)
    seqs: dict[int, list[int]] = {}
    together = threading.Barrier(THREADS)

    def write(thread: int) -> None:
        together.wait()
        seqs[thread] = [
            record.seq for number in range(APPENDS) for record in writer.append([withdrawn(f"{thread} {number}")] * 2)
        ]

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(tmp_path) == 1 + THREADS * APPENDS * 2
    assert len(syncs) < THREADS * APPENDS / 2
    written = {record.seq: record.payload["asset"] for record in read(tmp_path) if record.kind == "withdrawn"}
    for thread, own in seqs.items():
        assert own == sorted(own)
        assert [written[seq] for seq in own] == [f"{thread} {number}" for number in range(APPENDS) for _ in range(2)]


def test_one_that_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    writer = Journal(tmp_path, SESSION)
    held, free = threading.Event(), threading.Event()
    errors: list[CatalogError] = []

    def hold(_: Sequence[Line]) -> list[tuple[str, dict[str, object]]]:
        held.set()
        free.wait()
        return [withdrawn("first")]

    def refused() -> None:
        try:
            writer.append([withdrawn("second"), ("withdrawn", {"asset": float("nan")})])
        except CatalogError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for work in (lambda: writer.turn(hold), refused)]
    threads[0].start()
    held.wait()
    threads[1].start()
    free.set()
    for thread in threads:
        thread.join()
    writer.append([withdrawn("third")])
    assert [record.payload.get("asset") for record in read(tmp_path)] == [None, "first", "third"]
    assert "cannot be written as JSON" in str(errors[0])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=30))
def test_each_is_shown_what_the_others_wrote_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    writers = [Journal(folder, SESSION, known=START) for _ in range(3)]
    seen: list[list[int]] = [[], [], []]
    own: list[set[int]] = [set(), set(), set()]
    for number, count in turns:

        def decide(lines: Sequence[Line], number: int = number, count: int = count) -> list[tuple[str, dict[str, str]]]:
            seen[number] += [line.seq for line in lines]
            assert tail(folder).seq == max([0, *own[number], *seen[number]])
            return [("withdrawn", {"asset": str(number)})] * count

        before = tail(folder).seq
        records = writers[number].turn(decide)
        assert len(records) == count
        own[number] |= set(range(before + 1, tail(folder).seq + 1))  # the session record, too
    for number in range(3):
        last_turn = max((index for index, (who, _) in enumerate(turns) if who == number), default=None)
        if last_turn is not None:
            assert seen[number] == sorted(seen[number])
            assert set(seen[number]).isdisjoint(own[number])
    assert verify(folder) == tail(folder).seq


def test_what_a_decision_raises_is_raised_and_nothing_is_written(tmp_path: Path) -> None:
    writer = Journal(tmp_path, SESSION)
    writer.append([withdrawn("a")])

    def refuse(lines: Sequence[Line]) -> list[tuple[str, dict[str, object]]]:
        raise LookupError(len(lines))

    with pytest.raises(LookupError):
        writer.turn(refuse)
    assert writer.append([withdrawn("b")])[0].seq == verify(tmp_path) == 3


LOCKS = {
    "are refused": "errno = ENOLCK; return -1;",
    "keep nobody away": "return 0;",
}


@pytest.mark.parametrize("locks", LOCKS)
def test_a_file_system_without_working_locks_is_refused(tmp_path: Path, locks: str) -> None:
    source = tmp_path / "locks.c"
    source.write_text(f"#include <errno.h>\nint flock(int fd, int how) {{ (void)fd; (void)how; {LOCKS[locks]} }}\n")
    library = tmp_path / "locks.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    program = """
from pathlib import Path
from sys import argv
from catalog.errors import CatalogError
from catalog.journal import Journal
try:
    Journal(Path(argv[1]) / "journal", {}).append([("withdrawn", {"asset": "a"})])
except CatalogError as refusal:
    print(refusal)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"the file system of {tmp_path / 'journal'} has no working locks" in done.stdout
    assert "remedy: put the project on a local disk" in done.stdout
    assert not list((tmp_path / "journal").glob("*.jsonl"))
