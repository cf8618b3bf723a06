"""Do seals vouch for every record before them, and can a stranger check that with nothing but the documentation?"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from catalog_facts import SESSION, withdrawn
from hypothesis import given
from hypothesis import strategies as st

from catalog import journal, merkle
from catalog.audit import prove
from catalog.errors import CatalogError
from catalog.inclusion import inclusion_proof
from catalog.journal import Journal
from catalog.segments import read_lines, segments
from catalog.signing import Signer, is_signed, make_key

PAGE = Path(__file__).parents[2] / "docs" / "journal.md"


def documented(name: str) -> Callable[..., Any]:
    """Return a function of the documentation: it shares no code with the product."""
    source = re.search(rf"^```python\n([^`]*?^def {name}.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert source is not None
    names: dict[str, Any] = {}
    exec(compile(source[1], PAGE.name, "exec"), names)  # noqa: S102  # the example itself is what is tested
    found: Callable[..., Any] = names[name]
    return found


def rfc_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root as RFC 6962 defines it: split at the largest power of two below the number of leaves."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return blake3(b"\x01" + rfc_root(leaves[:split]) + rfc_root(leaves[split:])).digest()


def climbed(found: bytes, steps: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the root that a leaf's hash leads to along a path."""
    for side, other in steps:
        found = blake3(b"\x01" + (other + found if side == "left" else found + other)).digest()
    return found


@given(st.lists(st.binary(max_size=3), min_size=1, max_size=70))
def test_roots_frontiers_and_paths_are_those_of_the_rfc(data: list[bytes]) -> None:
    leaves = [merkle.leaf(each) for each in data]
    assert leaves[0] == blake3(b"\x00" + data[0]).digest()
    root = rfc_root(leaves)
    assert merkle.root(leaves) == root
    frontier: list[bytes] = []
    for count, each in enumerate(leaves):
        frontier = merkle.grown(frontier, count, each)
        assert merkle.frontier_root(frontier) == rfc_root(leaves[: count + 1])
    for index, each in enumerate(leaves):
        assert climbed(each, merkle.path(leaves, index)) == root


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a journal of several segments."""
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 3_000)
    writer = Journal(tmp_path, SESSION)
    for number in range(40):
        writer.append([withdrawn(f"asset {number}.{part}") for part in range(number % 4 + 1)])
    writer.close()
    assert len(segments(tmp_path)) > 5
    return tmp_path


def test_every_segment_but_the_first_begins_with_a_seal_that_holds(sealed: Path) -> None:
    proof = prove(sealed)
    assert proof.problems == []
    assert proof.seals == len(segments(sealed)) - 1
    assert proof.sealed == segments(sealed)[-1].first - 1
    assert documented("verify")(sealed) == proof.records


def test_an_anchor_closes_the_segment_once_and_covers_everything(tmp_path: Path) -> None:
    writer = Journal(tmp_path, SESSION)
    assert writer.seal("anchor") is None
    writer.append([withdrawn("a")] * 3)
    seal = writer.seal("anchor")
    assert seal is not None
    assert (seal["segments"], seal["last"], seal["reason"]) == (1, 4, "anchor")
    assert writer.seal("anchor") == Journal(tmp_path, SESSION).seal("again") == seal
    assert len(segments(tmp_path)) == 2
    writer.append([withdrawn("b")])
    later = Journal(tmp_path, SESSION).seal("anchor")
    assert later is not None
    assert (later["segments"], later["last"]) == (2, 6)
    assert prove(tmp_path, anchors=[seal, later]).problems == []


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_an_anchor_tells_when_the_end_was_cut_off_with_every_trace(sealed: Path, cut: int) -> None:
    anchor = Journal(sealed, SESSION).seal("anchor")
    assert anchor is not None
    for segment in segments(sealed)[-cut:]:
        segment.path.unlink()
    (sealed / "lock").unlink()
    assert prove(sealed).problems == []
    (problem,) = prove(sealed, anchors=[anchor]).problems
    assert "the journal was cut, or an older copy was put in its place" in problem.what


def test_an_anchor_tells_when_the_journal_was_written_anew(tmp_path: Path) -> None:
    anchors = []
    for name, folder in (("true", tmp_path / "a"), ("false", tmp_path / "b")):
        writer = Journal(folder, SESSION)
        writer.append([withdrawn(name)])
        anchors.append(writer.seal("anchor"))
    assert anchors[0] is not None
    assert prove(tmp_path / "b").problems == []
    (problem,) = prove(tmp_path / "b", anchors=[anchors[0]]).problems
    assert "are not those of the anchor" in problem.what


def rechained(folder: Path, change: Callable[[str], str]) -> None:
    """Change the text of records and make the chain fit again, as a forger would who does not know of seals."""
    digest = bytes(32)
    for segment in segments(folder):
        lines = []
        for line in segment.path.read_bytes().split(b"\n")[:-1]:
            text = change(line[65:].decode()).encode()
            digest = blake3(digest + text).digest()
            lines.append(digest.hex().encode() + b" " + text + b"\n")
        segment.path.write_bytes(b"".join(lines))
    (folder / "lock").unlink()


def test_a_chain_made_to_fit_again_breaks_the_seal(sealed: Path) -> None:
    rechained(sealed, lambda text: text.replace("asset 3.1", "asset 3.9"))
    assert list(read_lines(sealed))
    problems = prove(sealed).problems
    assert problems[0].seq == segments(sealed)[1].first
    assert "the seal states another segment_root" in problems[0].what


def test_a_signature_is_of_this_seal_and_of_a_trusted_key(tmp_path: Path) -> None:
    trusted, other = make_key(tmp_path / "trusted.pem"), make_key(tmp_path / "other.pem")
    assert (tmp_path / "trusted.pem").stat().st_mode & 0o777 == 0o600
    folder = tmp_path / "journal"
    writer = Journal(folder, SESSION, sign=Signer(tmp_path / "trusted.pem").sign)
    writer.append([withdrawn("a")])
    writer.seal("anchor")
    proof = prove(folder, trusted_keys=[trusted])
    assert (proof.problems, proof.signed, proof.keys) == ([], 2, {trusted})
    (stranger, none) = prove(folder, trusted_keys=[other]).problems
    assert "which is not trusted" in stranger.what
    assert "no seal is signed by a trusted key" in none.what
    rechained(folder, lambda text: re.sub('"signature":"[0-9a-f]{2}', '"signature":"00', text))
    (problem,) = prove(folder).problems
    assert "is not one of this seal" in problem.what


def test_a_key_file_is_never_overwritten_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    public = make_key(file)
    with pytest.raises(CatalogError, match="cannot be written"):
        make_key(file)
    assert Signer(file).sign(b"x")[0] == public
    assert not is_signed(public, Signer(file).sign(b"x")[1], b"y")
    file.write_text("no key")
    with pytest.raises(CatalogError, match=r"key\.pem cannot be used as a signing key"):
        Signer(file).sign(b"x")


def test_every_sealed_record_can_be_proved_to_a_stranger_and_no_other_text(sealed: Path) -> None:
    check = documented("check")
    proof = prove(sealed)
    every = list(range(1, proof.sealed + 1))
    document = json.loads(json.dumps(inclusion_proof(sealed, every)))
    assert [json.loads(record["text"])["seq"] for record in document["records"]] == every
    check(document, proof.root)
    assert len(json.dumps(inclusion_proof(sealed, [7]))) < 4_000
    for record in document["records"]:
        altered = {"records": [{**record, "text": record["text"].replace('"by":1', '"by":2')}]}
        with pytest.raises(AssertionError):
            check(altered, proof.root)
    with pytest.raises(CatalogError, match="is not under a seal yet"):
        inclusion_proof(sealed, [proof.sealed + 1])


def test_a_journal_without_a_trusted_signature_is_not_believed_where_keys_are_trusted(tmp_path: Path) -> None:
    trusted = make_key(tmp_path / "trusted.pem")
    folder = tmp_path / "journal"
    writer = Journal(folder, SESSION)
    writer.append([withdrawn("a")])
    for _ in range(2):
        (problem,) = prove(folder, trusted_keys=[trusted]).problems
        assert problem.what == "no seal is signed by a trusted key"
        writer.seal("anchor")
    signing = Journal(folder, SESSION, sign=Signer(tmp_path / "trusted.pem").sign)
    seal = signing.seal("anchor")  # although nothing was added since the unsigned one
    assert seal is not None
    assert seal["signature"]
    signing.append([withdrawn("b")])
    proof = prove(folder, trusted_keys=[trusted])
    assert proof.problems == []
    assert proof.notes == [f"records from {proof.signed + 1} on are under no trusted signature yet"]


def test_who_drops_texts_must_be_vouched_for_where_keys_are_trusted(tmp_path: Path) -> None:
    trusted = make_key(tmp_path / "trusted.pem")
    folder = tmp_path / "journal"
    writer = Journal(folder, SESSION, sign=Signer(tmp_path / "trusted.pem").sign)
    writer.append([withdrawn("a")] * 3)
    writer.seal("anchor")
    first = segments(folder)[0]
    lines = first.path.read_bytes().split(b"\n")
    lines[2] = lines[2][:64]
    pruned = first.path.with_name(first.path.name.replace(".jsonl", ".pruned.jsonl.gz"))
    pruned.write_bytes(gzip.compress(b"\n".join(lines)))
    first.path.unlink()
    (problem,) = prove(folder).problems
    assert problem.what == "1 texts are missing, 0 were pruned"
    writer.append([("pruned", {"before": "2020", "segments": [[first.name, 4, 1]], "reason": "so it seems"})])
    assert prove(folder).problems == []
    (problem,) = prove(folder, trusted_keys=[trusted]).problems
    assert "no trusted signature is over the record that says so" in problem.what
    writer.seal("anchor")
    proof = prove(folder, trusted_keys=[trusted])
    assert (proof.problems, proof.pruned) == ([], 1)
    assert any("tells that 1 texts of old records were dropped" in note for note in proof.notes)
