"""The journal: what is acknowledged is there once, in order, chained, and no altered byte goes unnoticed."""

from __future__ import annotations

import json
import os
import re
import resource
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from catalog_facts import SESSION, claimed, declared, failed, withdrawn
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog import journal
from catalog.errors import CatalogError, JournalDamaged
from catalog.journal import Journal
from catalog.records import START, Tail
from catalog.segments import read, read_lines, tail, verify

FIRST = "00000000000000000001.jsonl"


def _written(folder: Path, records: int = 5) -> Path:
    """Write a session record and so many others, and return the segment."""
    Journal(folder, SESSION).append([withdrawn(f"asset {number}") for number in range(records)])
    return folder / FIRST


def test_the_session_record_comes_before_the_first_fact_and_is_named_by_all(tmp_path: Path) -> None:
    writer = Journal(tmp_path / "journal", SESSION)
    first = writer.append([declared("a"), declared("b")])
    second = writer.append([withdrawn("a")])
    records = list(read(tmp_path / "journal"))
    assert [record.kind for record in records] == ["session", "declared", "declared", "withdrawn"]
    assert [record.seq for record in records] == [1, 2, 3, 4]
    assert {record.by for record in records} == {1}
    assert records[0].payload == SESSION
    assert records[1:] == [*first, *second]


def test_nothing_is_written_for_no_facts(tmp_path: Path) -> None:
    assert Journal(tmp_path / "journal", SESSION).append([]) == []
    assert tail(tmp_path / "journal") == START
    assert list(read(tmp_path / "journal")) == []


def test_a_line_is_the_hash_and_the_members_in_the_documented_order(tmp_path: Path) -> None:
    line = _written(tmp_path).read_bytes().splitlines()[1]
    document = (Path(__file__).parents[2] / "docs" / "journal.md").read_text(encoding="utf-8")
    members = re.findall(r"^\| `(\w+)` \|", document.partition("## Verify")[0], re.MULTILINE)
    assert list(json.loads(line[65:])) == members == ["seq", "at", "by", "kind", "v", "payload"]
    assert re.fullmatch(rb"[0-9a-f]{64} \{.*\}", line)


def test_the_documented_program_verifies_a_journal_and_names_an_altered_record(tmp_path: Path) -> None:
    document = (Path(__file__).parents[2] / "docs" / "journal.md").read_text(encoding="utf-8")
    program = document.partition("```python\n")[2].partition("```")[0]
    names: dict[str, object] = {}
    exec(program, names)  # noqa: S102  the text under test
    documented = names["verify"]
    assert callable(documented)
    segment = _written(tmp_path)
    assert documented(tmp_path) == verify(tmp_path) == 6
    segment.write_bytes(segment.read_bytes().replace(b"asset 2", b"asset 7"))
    with pytest.raises(AssertionError, match="record 4 was altered"):
        documented(tmp_path)


def test_every_kind_that_is_documented_is_listed_once() -> None:
    document = (Path(__file__).parents[2] / "docs" / "journal.md").read_text(encoding="utf-8")
    kinds = re.findall(r"^\| `(\w+)` \|", document.partition("## Kinds")[2], re.MULTILINE)
    assert len(kinds) == len(set(kinds)) == 25


def test_a_group_is_durable_before_it_is_acknowledged_with_one_write_and_one_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Journal(tmp_path, SESSION)
    writer.append([withdrawn("a")])
    segment = tmp_path / FIRST
    calls: list[tuple[str, int]] = []
    real_write, real_sync = os.write, os.fsync

    def spied_write(descriptor: int, data: memoryview) -> int:
        calls.append(("write", len(data)))
        return real_write(descriptor, data)

    def spied_sync(descriptor: int) -> None:
        calls.append(("sync", segment.stat().st_size))
        real_sync(descriptor)

    size = segment.stat().st_size
    monkeypatch.setattr(os, "write", spied_write)
    monkeypatch.setattr(os, "fsync", spied_sync)
    writer.append([withdrawn("b")] * 50)
    assert calls == [("write", segment.stat().st_size - size), ("sync", segment.stat().st_size)]


@given(text=st.text(), key=st.text())
@settings(max_examples=30, deadline=None)
def test_any_text_is_read_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, text: str, key: str) -> None:
    folder = tmp_path_factory.mktemp("journal")
    fact = ("failed", {"message": text, key: [text, {text: key}]})
    (record,) = Journal(folder, SESSION).append([fact, withdrawn("a")])[:1]
    assert next(read(folder, after=1)).payload == record.payload == fact[1]
    assert verify(folder) == 3


@pytest.mark.parametrize("text", ["\0", "\u2028", "\u0085", "\r\n", '"}\n', "\u00e9", "e\u0301", "\U0001f6eb"])
def test_text_that_could_break_a_line_does_not(tmp_path: Path, text: str) -> None:
    Journal(tmp_path, SESSION).append([withdrawn(text), withdrawn("next")])
    assert [record.payload["asset"] for record in read(tmp_path, after=1)] == [text, "next"]
    assert (tmp_path / FIRST).read_bytes().count(b"\n") == verify(tmp_path) == 3


@pytest.mark.parametrize(
    ("fact", "named"),
    [
        (("failed", {"seconds": float("nan")}), "Out of range float"),
        (("failed", {"message": "\ud800"}), "surrogates not allowed"),
        (("failed", {"message": b"bytes"}), "bytes is not JSON serializable"),
        (("failed", {1j: "key"}), "keys must be str"),
        (('failed","v":2', {}), "not a kind of record"),
    ],
)
def test_a_fact_that_json_cannot_hold_is_refused_and_its_group_with_it(
    tmp_path: Path, fact: tuple[str, dict[str, object]], named: str
) -> None:
    writer = Journal(tmp_path, SESSION)
    with pytest.raises(CatalogError, match=named) as refusal:
        writer.append([withdrawn("before"), fact, withdrawn("after")])
    assert refusal.value.remedy
    assert tail(tmp_path) == START


def test_a_clock_that_steps_back_is_recorded_but_does_not_reorder(tmp_path: Path) -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    times = iter([noon, noon - timedelta(hours=1), noon.astimezone(timezone(timedelta(hours=5)))])
    writer = Journal(tmp_path, SESSION, clock=lambda: next(times))
    for name in ("a", "b", "c"):
        writer.append([withdrawn(name)])
    records = list(read(tmp_path))[1:]
    assert [record.payload["asset"] for record in records] == ["a", "b", "c"]
    assert [record.at for record in records] == [
        "2026-01-31T12:00:00.000000Z",
        "2026-01-31T11:00:00.000000Z",
        "2026-01-31T12:00:00.000000Z",
    ]


def test_a_clock_without_a_time_zone_is_refused(tmp_path: Path) -> None:
    writer = Journal(tmp_path, SESSION, clock=lambda: datetime(2026, 1, 31))  # noqa: DTZ001  what is refused
    with pytest.raises(CatalogError, match="without a time zone"):
        writer.append([withdrawn("a")])


def test_two_writers_in_turn_continue_one_chain(tmp_path: Path) -> None:
    one, other = Journal(tmp_path, SESSION), Journal(tmp_path, SESSION)
    seqs = [writer.append([withdrawn("a")])[0].seq for writer in (one, other, one, other, other, one)]
    assert seqs == [2, 4, 5, 6, 7, 8]
    assert [record.by for record in read(tmp_path)] == [1, 1, 3, 3, 1, 3, 3, 1]
    assert verify(tmp_path) == one.tail.seq == other.tail.seq == 8


def test_the_tail_is_the_place_behind_the_last_record(tmp_path: Path) -> None:
    segment = _written(tmp_path)
    *_, last = read_lines(tmp_path)
    assert tail(tmp_path) == last.after == Tail(6, last.after.digest, FIRST, segment.stat().st_size)
    assert segment.read_bytes().splitlines()[-1].startswith(last.after.digest.hex().encode())


def test_the_tail_is_found_behind_records_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    writer = Journal(tmp_path, SESSION)
    for size in (10, 70_000, 700_000, 10, 200_000):
        writer.append([failed(message="x" * size)])
        *_, last = read_lines(tmp_path)
        assert tail(tmp_path) == last.after


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@example(where=0.999999, bit=0)
@settings(max_examples=100, deadline=None)
def test_a_flipped_bit_anywhere_is_found_and_its_record_named(
    tmp_path_factory: pytest.TempPathFactory, where: float, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    segment = _written(folder)
    content = bytearray(segment.read_bytes())
    place = int(where * len(content))
    record = content[:place].count(b"\n") + 1
    content[place] ^= 1 << bit
    segment.write_bytes(content)
    with pytest.raises(JournalDamaged) as damage:
        verify(folder)
    assert (damage.value.seq, damage.value.file) == (record, segment)
    assert f"journal record {record} in {segment}" in str(damage.value)


def test_a_removed_a_doubled_and_a_moved_record_are_found(tmp_path: Path) -> None:
    segment = _written(tmp_path)
    lines = segment.read_bytes().splitlines(keepends=True)
    for wrong in (
        lines[:2] + lines[3:],
        [*lines[:3], lines[2], *lines[3:]],
        [*lines[:2], lines[3], lines[2], *lines[4:]],
    ):
        segment.write_bytes(b"".join(wrong))
        with pytest.raises(JournalDamaged) as damage:
            verify(tmp_path)
        assert damage.value.seq in (3, 4)


def test_damage_at_the_end_stops_whoever_appends_and_changes_no_byte(tmp_path: Path) -> None:
    segment = _written(tmp_path)
    damaged = segment.read_bytes().replace(b"asset 4", b"asset 5")
    segment.write_bytes(damaged)
    with pytest.raises(JournalDamaged, match="journal record 6 "):
        Journal(tmp_path, SESSION).append([withdrawn("a")])
    assert segment.read_bytes() == damaged


def test_a_line_that_a_crash_cut_short_is_cut_off_by_the_next_writer_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segment = _written(tmp_path)
    whole = segment.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    intact = len(whole) - len(last)
    for kept in (1, 63, 64, 65, 80, len(last) - 2, len(last) - 1):
        segment.write_bytes(whole[: intact + kept])
        (tmp_path / "lock").write_bytes(b"")  # its writer was stopped before it could note that the record is there
        assert verify(tmp_path) == tail(tmp_path).seq == 5
        assert [record.seq for record in read(tmp_path)] == [1, 2, 3, 4, 5]
        (record,) = Journal(tmp_path, SESSION).append([withdrawn("after")])
        assert record.seq == verify(tmp_path) == 7
        said = capsys.readouterr().err
        assert f"cut {kept} bytes of an incomplete line off {segment}" in said
        assert said.count("\n") == 1
    segment.write_bytes(whole)


def test_an_open_writer_notices_what_another_one_left_incomplete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = Journal(tmp_path, SESSION)
    writer.append([withdrawn("a")])
    with (tmp_path / FIRST).open("ab") as file:
        file.write(b"0123456789abcdef")
    assert writer.append([withdrawn("b")])[0].seq == verify(tmp_path) == 3
    assert "cut 16 bytes" in capsys.readouterr().err


def test_an_open_writer_refuses_to_go_on_when_records_are_gone(tmp_path: Path) -> None:
    writer = Journal(tmp_path, SESSION)
    writer.append([withdrawn("a")] * 4)
    segment = tmp_path / FIRST
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:3]))
    for question in (lambda: writer.append([withdrawn("b")]), lambda: tail(tmp_path)):
        with pytest.raises(JournalDamaged, match=r"records 4 to 5 are gone|shorter than it was: records are gone"):
            question()
    with pytest.raises(JournalDamaged, match="records 4 to 5 are gone: the journal was cut"):
        Journal(tmp_path, SESSION).append([withdrawn("b")])
    segment.unlink()
    with pytest.raises(JournalDamaged, match="the file is missing"):
        writer.append([withdrawn("b")])


def test_segments_are_named_by_their_first_record_and_read_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 700)
    writer = Journal(tmp_path, SESSION)
    for number in range(12):
        writer.append([withdrawn(f"asset {number}")])
        assert writer.tail == tail(tmp_path)
    segments = sorted(tmp_path.glob("*.jsonl"))
    assert len(segments) > 2
    for segment in segments:
        assert json.loads(segment.read_bytes().splitlines()[0][65:])["seq"] == int(segment.stem)
        is_first = segment.name == FIRST
        assert is_first or json.loads(segment.read_bytes().splitlines()[0][65:])["kind"] == "sealed"
    everything = list(read(tmp_path))
    assert verify(tmp_path) == len(everything) == 12 + len(segments)  # a session, and a seal for each closed segment
    lines = list(read_lines(tmp_path))
    for after in range(len(everything) + 2):
        assert list(read(tmp_path, after)) == everything[after:]
        if after < len(everything):
            place = lines[after - 1].after if after else START
            assert list(read_lines(tmp_path, place)) == lines[after:]
    segments[1].unlink()
    with pytest.raises(JournalDamaged) as damage:
        verify(tmp_path)
    assert damage.value.seq == int(segments[1].stem)
    with pytest.raises(JournalDamaged, match=f"journal record {int(segments[1].stem)} "):
        list(read(tmp_path))
    segments[0].unlink()
    for question in (verify, tail, lambda folder: list(read(folder))):
        with pytest.raises(JournalDamaged, match="journal record 1 in"):
            question(tmp_path)


def test_a_crash_at_the_change_of_segments_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = _written(tmp_path)
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 10)
    with segment.open("ab") as file:
        file.write(b"incomplete")
    Journal(tmp_path, SESSION).append([withdrawn("b")])
    assert verify(tmp_path) == 9
    (tmp_path / f"{10:020}.jsonl").write_bytes(b"incomplete")
    assert tail(tmp_path).seq == verify(tmp_path) == 9
    assert tail(tmp_path).segment == f"{10:020}.jsonl"
    assert Journal(tmp_path, SESSION).append([withdrawn("c")])[0].seq == verify(tmp_path) == 12
    assert [record.kind for record in read(tmp_path, 9)] == ["sealed", "session", "withdrawn"]


def test_a_file_that_is_no_segment_is_refused_by_name(tmp_path: Path) -> None:
    _written(tmp_path)
    (tmp_path / "notes.jsonl").write_text("hello\n")
    with pytest.raises(JournalDamaged, match=r"notes\.jsonl: this file is not part of a journal"):
        tail(tmp_path)


def test_a_full_disk_leaves_nothing_of_the_group_and_the_next_one_goes_on(tmp_path: Path) -> None:
    writer = Journal(tmp_path, SESSION)
    writer.append([withdrawn("a")])
    before = (tmp_path / FIRST).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 500, hard))
    try:
        with pytest.raises(CatalogError, match="records from 3 on were not written") as refusal:
            writer.append([withdrawn("b")] * 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "disk" in refusal.value.remedy
    assert (tmp_path / FIRST).read_bytes() == before
    assert writer.append([withdrawn("c")])[0].seq == verify(tmp_path) == 3


def test_a_forked_child_is_refused(tmp_path: Path) -> None:
    writer = Journal(tmp_path, SESSION)
    writer.append([withdrawn("a")])
    child = os.fork()
    if child == 0:
        try:
            writer.append([withdrawn("b")])
        except CatalogError as refusal:
            os._exit(42 if "was forked from" in str(refusal) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    assert writer.append([withdrawn("c")])[0].seq == verify(tmp_path) == 3


def test_importing_the_journal_loads_no_database() -> None:
    program = "import sys, catalog.journal; sys.exit('duckdb' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


APPEND = """
import sys
from pathlib import Path
from catalog.journal import Journal
writer = Journal(Path(sys.argv[1]), {"user": sys.argv[2]})
sys.stdin.readline()
for group in range(50):
    facts = [("withdrawn", {"asset": f"{sys.argv[2]} {group} {number}"}) for number in range(1 + group % 4)]
    print([record.seq for record in writer.append(facts)])
"""


def test_four_processes_append_at_once_and_every_group_stays_together(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND, str(tmp_path), str(number)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(4)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    groups = {number: writer.communicate()[0].splitlines() for number, writer in enumerate(writers)}
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    records = list(read(tmp_path))
    assert [record.seq for record in records] == list(range(1, verify(tmp_path) + 1))
    for number, acknowledged in groups.items():
        assert len(acknowledged) == 50
        for group, seqs in enumerate(map(json.loads, acknowledged)):
            assert seqs == list(range(seqs[0], seqs[0] + 1 + group % 4))
            named = [records[seq - 1].payload["asset"] for seq in seqs]
            assert named == [f"{number} {group} {place}" for place in range(1 + group % 4)]
    assert len(records) == 4 + sum(len(json.loads(line)) for lines in groups.values() for line in lines)


KILLED = """
import os, random, select, signal, sys
from pathlib import Path
from catalog.journal import Journal

folder, acknowledged = Path(sys.argv[1]), sys.argv[2]
chance = random.Random(int(sys.argv[3]))
for life in range(15):
    child = os.fork()
    if child == 0:
        writer = Journal(folder, {"user": str(life)})
        told = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        while True:
            facts = [("withdrawn", {"asset": "x" * chance.randrange(3000)}) for _ in range(chance.randrange(1, 30))]
            records = writer.append(facts)
            os.write(told, b"".join(b"%d %d\\n" % (r.seq, len(r.payload["asset"])) for r in records))
    select.select([], [], [], chance.uniform(0.002, 0.08))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_kill_9_while_appending_loses_and_doubles_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    told = tmp_path / "acknowledged"
    seed = str(secrets.randbelow(10**6))
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "journal"), str(told), seed], check=True)
    count = verify(tmp_path / "journal")
    sizes = {r.seq: len(r.payload["asset"]) for r in read(tmp_path / "journal") if r.kind == "withdrawn"}
    lines = [line.split() for line in told.read_text().splitlines()]
    acknowledged = [(int(seq), int(size)) for seq, size in lines]
    assert len(acknowledged) > 15, f"seed {seed}"
    assert len({seq for seq, _ in acknowledged}) == len(acknowledged), f"seed {seed}"
    assert all(sizes[seq] == size for seq, size in acknowledged), f"seed {seed}"
    assert count >= max(seq for seq, _ in acknowledged), f"seed {seed}"


def test_threads_share_one_writer(tmp_path: Path) -> None:
    writer = Journal(tmp_path, SESSION)
    with ThreadPoolExecutor(8) as threads:
        groups = list(threads.map(lambda number: writer.append([claimed(cells=[str(number)])] * 3), range(40)))
    assert verify(tmp_path) == 121
    for number, group in enumerate(groups):
        assert [record.seq for record in group] == list(range(group[0].seq, group[0].seq + 3))
        assert [record.payload["steps"] for record in group] == [[[1, "a", [str(number)]]]] * 3
    assert {record.by for record in read(tmp_path)} == {1}
