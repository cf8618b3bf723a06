"""Is nothing intact given up with what is lost, and nothing cut off that somebody was told is durable?"""

from __future__ import annotations

from pathlib import Path

import pytest
from catalog_facts import SESSION, withdrawn

from catalog import journal
from catalog.audit import prove
from catalog.compaction import compress
from catalog.errors import CatalogError, JournalDamaged
from catalog.journal import Journal
from catalog.records import Line
from catalog.segments import read, segments, tail


@pytest.fixture
def compacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a journal of several compressed segments and a plain one."""
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 2_000)
    writer = Journal(tmp_path, SESSION)
    for number in range(60):
        writer.append([withdrawn(f"asset {number}")])
    assert compress(tmp_path, writer).segments > 5
    writer.close()
    return tmp_path


def kinds(folder: Path) -> list[str]:
    return [record.kind for record in read(folder)]


@pytest.mark.parametrize("harmed", range(6))
def test_whatever_segment_is_harmed_the_intact_ones_before_it_are_kept(compacted: Path, harmed: int) -> None:
    found = segments(compacted)
    before = [segment.path.read_bytes() for segment in found[:harmed]]
    victim = found[harmed]
    content = bytearray(victim.path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    victim.path.write_bytes(content)
    known = tail_before(compacted)
    lost = Journal(compacted, SESSION).accept_loss("a bad block", None)
    assert lost is not None
    assert victim.first <= lost["first"] <= known
    assert lost["last"] == known
    assert [segment.path.read_bytes() for segment in segments(compacted)[:harmed]] == before
    proof = prove(compacted)
    assert (proof.problems, proof.losses) == ([], [lost])
    assert kinds(compacted)[-1] == "loss_accepted"
    assert tail(compacted).seq == len(kinds(compacted))
    assert Journal(compacted, SESSION).append([withdrawn("after")])[0].seq == tail(compacted).seq
    assert Journal(compacted, SESSION).accept_loss("again", None) is None


def tail_before(folder: Path) -> int:
    """Return the last record that the witness notes."""
    return int((folder / "lock").read_text().split()[0])


def test_a_bad_record_in_a_compressed_segment_keeps_those_before_it(compacted: Path) -> None:
    import gzip

    victim = segments(compacted)[2]
    lines = gzip.decompress(victim.path.read_bytes()).splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"seq"', b'"soq"')
    victim.path.write_bytes(gzip.compress(b"".join(lines)))
    lost = Journal(compacted, SESSION).accept_loss("a bad record", None)
    assert lost is not None
    assert lost["first"] == victim.first + 2
    assert prove(compacted).problems == []
    kept = [record.seq for record in read(compacted) if record.kind == "withdrawn"]
    assert max(kept) == victim.first + 1


def test_a_segment_that_a_neighbour_began_and_could_not_note_is_read_not_cut_off(tmp_path: Path) -> None:
    one, other = Journal(tmp_path, SESSION), Journal(tmp_path, SESSION)
    one.append([withdrawn("first")])
    noted = (tmp_path / "lock").read_bytes()
    other.append([withdrawn("second")])
    other.seal("test")
    durable = other.append([withdrawn("third")])[0].seq
    (tmp_path / "lock").write_bytes(noted)
    shown: list[Line] = []

    def decide(lines: list[Line]) -> list[tuple[str, dict[str, object]]]:
        shown.extend(lines)
        return [withdrawn("fourth")]

    (record,) = one.turn(decide)  # type: ignore[arg-type]
    assert [line.kind for line in shown] == ["session", "withdrawn", "sealed", "withdrawn"]
    assert record.seq == durable + 1 == tail(tmp_path).seq
    assert prove(tmp_path).problems == []


def test_after_a_refused_append_the_next_turn_is_still_shown_what_others_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Journal(tmp_path, SESSION), Journal(tmp_path, SESSION)
    one.append([withdrawn("first")])
    with monkeypatch.context() as broken:
        broken.setattr("catalog.journal.os.write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(CatalogError, match="were not written"):
            one.append([withdrawn("second")])
    other.append([withdrawn("third")])
    shown: list[Line] = []
    one.turn(lambda lines: shown.extend(lines) or [])  # type: ignore[func-returns-value]
    assert [line.record().payload.get("asset") for line in shown] == [None, "third"]


def test_a_whole_record_that_a_writer_does_not_know_is_never_cut_off(tmp_path: Path) -> None:
    one, other = Journal(tmp_path, SESSION), Journal(tmp_path, SESSION)
    one.append([withdrawn("first")])
    place = tail(tmp_path)
    other.append([withdrawn("second")])
    one._known = place
    with pytest.raises(JournalDamaged, match="a record is there that this writer had not read"):
        one._end_to_write()
