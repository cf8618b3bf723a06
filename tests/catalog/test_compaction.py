"""Does compression keep every record, also where it is cut short, and while others read and write?"""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from catalog_facts import SESSION
from mortal import die_before

from catalog import compaction
from catalog import journal as journal_module
from catalog.audit import prove
from catalog.compaction import Compacted, compress
from catalog.errors import CatalogBusy, CatalogError, JournalDamaged
from catalog.journal import Journal
from catalog.segments import read, read_lines, segments, tail, verify

FACT = ("pardoned", {"asset": "a", "cells": 1, "text": "x" * 60})


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 1000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def filled(folder: Path, count: int = 40) -> Journal:
    journal = Journal(folder, SESSION)
    for _ in range(count):
        journal.append([FACT])
    return journal


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("0*"))


def test_every_closed_segment_is_compressed_and_the_last_one_is_not(folder: Path) -> None:
    journal = filled(folder)
    before, size = list(read(folder)), sum(path.stat().st_size for path in folder.glob("0*"))
    last = names(folder)[-1]

    done = compress(folder, journal)

    assert list(read(folder)) == before
    assert [name for name in names(folder) if not name.endswith(".gz")] == [last]
    assert done.segments == len(names(folder)) - 1 > 3
    assert done.bytes_before == size - (folder / last).stat().st_size
    assert done.bytes_after == sum(path.stat().st_size for path in folder.glob("0*.gz")) < done.bytes_before
    assert prove(folder).problems == []
    assert compress(folder, journal) == Compacted()


def test_equal_segments_make_equal_files_that_any_program_can_read(folder: Path) -> None:
    journal = filled(folder)
    plain = {name: (folder / name).read_bytes() for name in names(folder)}
    shutil.copytree(folder, folder.with_name("twin"))
    compress(folder, journal)
    compress(folder.with_name("twin"), Journal(folder.with_name("twin"), SESSION))
    for name in names(folder):
        content = (folder / name).read_bytes()
        assert content == (folder.with_name("twin") / name).read_bytes()
        assert (gzip.decompress(content) if name.endswith(".gz") else content) == plain[name.removesuffix(".gz")]


def test_a_journal_goes_on_behind_compressed_segments(folder: Path) -> None:
    journal = filled(folder)
    position = list(read_lines(folder))[7].after  # in the midst of one
    compress(folder, journal)
    end = tail(folder)
    journal.append([FACT])
    Journal(folder, SESSION).append([FACT])
    assert verify(folder) >= end.seq + 3
    assert [line.seq for line in read_lines(folder, position)] == list(range(9, verify(folder) + 1))
    assert prove(folder).problems == []


def test_nothing_is_compressed_where_nothing_is_closed(folder: Path) -> None:
    assert compress(folder, Journal(folder, SESSION)) == Compacted()
    assert compress(folder, filled(folder, 1)) == Compacted()


def test_a_segment_that_is_there_twice_with_other_content_is_damage(folder: Path) -> None:
    journal = filled(folder)
    first = folder / names(folder)[0]
    first.with_name(f"{first.name}.gz").write_bytes(gzip.compress(first.read_bytes().replace(b"x", b"y", 1)))
    with pytest.raises(JournalDamaged, match="does not hold what"):
        compress(folder, journal)
    assert first.exists()


def test_what_does_not_read_back_is_not_put_in_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = filled(folder)
    before = names(folder)
    monkeypatch.setattr(compaction.gzip, "open", lambda path: gzip.GzipFile(path.with_name("other")))
    folder.joinpath("other").write_bytes(gzip.compress(b"other"))
    with pytest.raises(CatalogError, match="does not read back"):
        compress(folder, journal)
    assert [name for name in names(folder) if not name.endswith(".new")] == before


def test_two_do_not_compact_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.locks.PATIENCE_SECONDS", 0.05)
    journal = filled(folder)
    with compaction.unchanging(folder), pytest.raises(CatalogBusy, match=r"compaction\.lock"):
        compress(folder, journal)
    assert compress(folder, journal).segments


def test_a_writer_has_its_turn_while_it_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = filled(folder)
    other = Journal(folder, SESSION)
    real = compaction.written

    def slow(*arguments: Any) -> Any:
        other.append([FACT])  # while a segment is being compressed
        return real(*arguments)

    monkeypatch.setattr(compaction, "written", slow)
    done = compress(folder, journal)
    assert done.segments > 3
    assert verify(folder) == 41 + 1 + done.segments + (len(segments(folder)) - 1)  # sessions, seals
    assert prove(folder).problems == []


def test_readers_see_every_record_while_files_are_replaced(folder: Path) -> None:
    journal = filled(folder, 150)
    expected = [line.digest for line in read_lines(folder)]
    found: list[list[bytes]] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            found.append([line.digest for line in read_lines(folder)])

    reader = threading.Thread(target=look)
    reader.start()
    try:
        compress(folder, journal)
    finally:
        ended.set()
        reader.join()
    assert found
    assert all(digests == expected for digests in found)


def test_killed_at_any_moment_it_has_lost_nothing_and_the_next_one_ends_it(folder: Path) -> None:
    filled(folder, 20)
    before = [line.digest for line in read_lines(folder)]
    forms = set()
    for copy in _states_when_killed(folder):
        forms.add(tuple(sorted({name.partition(".")[2] for name in names(copy)})))
        assert [line.digest for line in read_lines(copy)] == before
        assert prove(copy).problems == []
        compress(copy, Journal(copy, SESSION))
        assert [line.digest for line in read_lines(copy)] == before
        assert [name.endswith(".gz") for name in names(copy)] == [True] * (len(names(copy)) - 1) + [False]
        assert len(names(copy)) == len(segments(folder))
        shutil.rmtree(copy.parent)
    assert ("jsonl", "jsonl.gz", "jsonl.gz.new") in forms
    assert ("jsonl", "jsonl.gz") in forms


def _states_when_killed(folder: Path) -> Iterator[Path]:
    """Yield a copy of the folder as a process leaves it that is killed before the n-th of its calls, for every n."""
    number = 0
    while True:
        copy = folder.parent / f"killed {number}" / "journal"
        shutil.copytree(folder, copy)
        child = os.fork()
        if child == 0:
            die_before(number)
            try:
                compress(copy, Journal(copy, SESSION))
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            return
        yield copy
        number += 1
