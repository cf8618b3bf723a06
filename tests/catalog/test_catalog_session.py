"""The session: what is read is the journal, whatever became of the index, and whoever else is at it."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from catalog_facts import (
    FACTS,
    SESSION,
    Fact,
    cells_by_model,
    claimed,
    declared,
    digest,
    failed,
    failures_by_model,
    judged,
    materialized,
    published,
    run_started,
    withdrawn,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog import locks
from catalog.audit import prove
from catalog.errors import CatalogBusy, CatalogError, JournalDamaged, RecordsLost
from catalog.journal import Journal
from catalog.segments import read, tail, verify
from catalog.session import Catalog

Tables = dict[str, list[tuple[Any, ...]]]


CRASH_WHILE_APPLYING = """
import os, sys
from pathlib import Path
from catalog import session
from catalog.session import Catalog
session._detach = lambda connection: os._exit(0)
Catalog(Path(sys.argv[1])).refresh()
"""


def _cell(partition: str, version: str) -> list[Fact]:
    return [
        claimed("a", [partition], step=version),
        materialized("a", partition, version, step=version),
        judged("a", partition, version),
        published(("a", partition, version, "k")),
    ]


def _tables(catalog: Catalog) -> Tables:
    with catalog.read() as connection:
        names = connection.sql(
            "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
        return {name: connection.sql(f"FROM {name} ORDER BY ALL").fetchall() for (name,) in names}


def _copied(origin: Path, folder: Path) -> Catalog:
    """Return a catalog of a copy, as if it had always been there."""
    shutil.copytree(origin, folder, dirs_exist_ok=True)
    _keep_stamp(folder)
    return Catalog(folder)


def _keep_stamp(folder: Path) -> None:
    """Let the index pass for the one that was left there, and followed the journal as far as that one."""
    _, place = (folder / "catalog.stamp").read_text().splitlines(keepends=True)
    (folder / "catalog.stamp").write_text(Catalog(folder)._file_text() + place)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tables]:
    """Return the folder of a catalog of some cells, and what its tables say."""
    folder = tmp_path_factory.mktemp("origin")
    facts = [declared("a"), run_started(), failed("a", "p0")]
    for number in range(40):
        facts += _cell(f"p{number}", f"v{number}")
    Journal(folder / "journal", SESSION).append(facts)
    return folder, _tables(Catalog(folder))


@pytest.fixture
def filled(origin: tuple[Path, Tables], tmp_path: Path) -> tuple[Catalog, Tables]:
    """Return a catalog of some cells in `tmp_path`, and what its tables say."""
    return _copied(origin[0], tmp_path), origin[1]


@pytest.fixture(scope="module")
def crashed(origin: tuple[Path, Tables], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tables]:
    """Return the folder of a catalog whose process died twice behind a commit, and what its tables should say."""
    folder = tmp_path_factory.mktemp("crashed")
    _copied(origin[0], folder)
    writer = Journal(folder / "journal", SESSION)
    for number in range(2):
        writer.append([fact for place in range(20) for fact in _cell(f"p{place}", f"w{number} {place}")])
        subprocess.run([sys.executable, "-c", CRASH_WHILE_APPLYING, str(folder)], check=True)
    replay = tmp_path_factory.mktemp("replay")
    shutil.copytree(folder / "journal", replay / "journal")
    return folder, _tables(Catalog(replay))


def test_what_was_appended_is_read_at_once_by_every_catalog(tmp_path: Path) -> None:
    writer, one, other = Journal(tmp_path / "journal", SESSION), Catalog(tmp_path), Catalog(tmp_path)
    assert _tables(one)["cell"] == []
    for number in range(3):
        writer.append(_cell("p", f"v{number}"))
        for catalog in (one, other):
            with catalog.read() as connection:
                assert connection.sql("SELECT version FROM cell").fetchall() == [(digest(f"v{number}"),)]
    assert one.refresh() == 0


def test_refreshing_returns_the_number_of_records_applied(tmp_path: Path) -> None:
    writer, catalog = Journal(tmp_path / "journal", SESSION), Catalog(tmp_path)
    writer.append([withdrawn("a")])
    assert catalog.refresh() == 2
    writer.append([withdrawn("a")] * 5)
    assert (catalog.refresh(), catalog.refresh(), catalog.rebuild()) == (5, 0, 7)


def test_a_new_file_can_be_read_by_the_oldest_supported_version(filled: tuple[Catalog, Tables], tmp_path: Path) -> None:
    with filled[0].read() as connection:
        (tags,) = connection.sql("SELECT tags FROM duckdb_databases() WHERE database_name = 'catalog'").fetchall()
    assert tags[0]["storage_version"] == "v1.5.0+"
    with duckdb.connect(tmp_path / "catalog.duckdb", read_only=True) as plain:
        assert len(plain.sql("FROM cell").fetchall()) == 40


def test_a_reader_can_neither_write_nor_reach_outside(filled: tuple[Catalog, Tables], tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    forbidden = {
        "DELETE FROM publication": duckdb.InvalidInputException,
        f"FROM '{tmp_path}/secret.csv'": duckdb.PermissionException,
        f"COPY cell TO '{tmp_path}/copy.csv'": duckdb.PermissionException,
        f"ATTACH '{tmp_path}/other.duckdb'": duckdb.PermissionException,
        "INSTALL httpfs": duckdb.PermissionException,
        "SET enable_external_access = true": duckdb.InvalidInputException,
    }
    for statement, error in forbidden.items():
        with filled[0].read() as connection, pytest.raises(error):
            connection.execute(statement)
    assert not (tmp_path / "copy.csv").exists()
    assert _tables(filled[0]) == filled[1]


def test_a_wrong_question_is_the_askers_error_and_hurts_nothing(
    filled: tuple[Catalog, Tables], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(duckdb.BinderException), filled[0].read() as connection:
        connection.sql("SELECT nothing FROM cell")
    assert _tables(filled[0]) == filled[1]
    assert capsys.readouterr().err == ""


def test_a_result_left_unread_does_not_keep_the_file(filled: tuple[Catalog, Tables], tmp_path: Path) -> None:
    with filled[0].read() as connection:
        left = [connection.sql("FROM cell"), connection.cursor(), connection.execute("FROM cell, cell AS c")]
    Journal(tmp_path / "journal", SESSION).append([withdrawn("a")])
    assert filled[0].refresh() == 2
    assert len(left) == 3


@pytest.mark.parametrize(
    "harm",
    ["delete", "empty", "cut a byte off", "cut in half", "not a database", "another version", "flip 1", "flip 2"],
)
def test_an_index_that_is_harmed_is_made_again_and_said_in_one_line(
    filled: tuple[Catalog, Tables], tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    catalog, expected = filled
    index = tmp_path / "catalog.duckdb"
    content = bytearray(index.read_bytes())
    place = secrets.randbelow(len(content))
    if harm == "delete":
        index.unlink()
    elif harm == "another version":
        with duckdb.connect(index) as connection:
            connection.execute("UPDATE meta SET schema_version = 'old'")
    elif harm.startswith("flip"):
        content[place] ^= 0xFF
        index.write_bytes(content)
    else:
        cut = {"empty": 0, "cut a byte off": len(content) - 1, "cut in half": len(content) // 2}
        index.write_bytes(content[: cut[harm]] if harm in cut else b"not a database" * 1000)
    assert _tables(catalog) == expected, f"{harm} at byte {place}"
    said = capsys.readouterr().err
    assert said.count("\n") <= 1
    if harm not in ("delete", "empty", "flip 1", "flip 2"):
        assert re.match(rf"catalog: {re.escape(str(index))}: .*; making it again from the journal\n", said)
    assert _tables(catalog) == expected
    assert capsys.readouterr().err == ""


def test_rotten_bits_under_an_unchanged_time_are_found_by_the_reader_and_repaired_for_the_next(
    filled: tuple[Catalog, Tables], tmp_path: Path
) -> None:
    catalog, expected = filled
    index = tmp_path / "catalog.duckdb"
    content = bytearray(index.read_bytes())
    place = content.index(digest("v7").encode())
    content[place] ^= 0xFF
    index.write_bytes(content)
    _keep_stamp(tmp_path)
    with pytest.raises(CatalogError, match=r"catalog\.duckdb cannot be read: Corrupt database file") as error:
        _tables(catalog)
    assert "run again" in error.value.remedy
    assert _tables(catalog) == expected


@pytest.mark.parametrize("harm", ["none", "delete", "cut", "flip 1", "flip 2", "garbage"])
def test_a_write_ahead_log_left_by_a_crash_is_used_or_overcome(
    crashed: tuple[Path, Tables], tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    catalog = _copied(crashed[0], tmp_path)
    log = tmp_path / "catalog.duckdb.wal"
    content = bytearray(log.read_bytes())
    place = secrets.randbelow(len(content))
    if harm == "delete":
        log.unlink()
    elif harm == "cut":
        log.write_bytes(content[:place])
    elif harm.startswith("flip"):
        content[place] ^= 0xFF
        log.write_bytes(content)
    elif harm == "garbage":
        log.write_bytes(secrets.token_bytes(500))
    assert _tables(catalog) == crashed[1], f"{harm} at byte {place}"
    assert capsys.readouterr().err.count("\n") <= harm.startswith("flip")  # it may hit what is not read
    assert not log.exists()


def test_a_write_ahead_log_that_belongs_to_nothing_here_does_not_count(
    filled: tuple[Catalog, Tables], crashed: tuple[Path, Tables], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray((crashed[0] / "catalog.duckdb.wal").read_bytes())
    for flipped in (False, True):
        if flipped:
            content[len(content) // 2] ^= 0xFF
        (tmp_path / "catalog.duckdb.wal").write_bytes(content)
        assert _tables(filled[0]) == filled[1]
        assert capsys.readouterr().err.count("\n") <= 1
        assert not (tmp_path / "catalog.duckdb.wal").exists()


def test_an_index_of_another_journal_is_made_again_also_where_that_one_is_longer(
    filled: tuple[Catalog, Tables], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog, expected = filled
    records = tail(tmp_path / "journal").seq
    for name, facts, said in (
        ("other", records - 1, f"it follows another journal: record {records} has another hash"),
        ("behind", 3, "the journal does not continue it"),
        ("ahead", records + 9, f"it follows another journal: it holds record {records + 10}, not {records}"),
    ):
        folder = tmp_path / name
        Journal(folder / "journal", SESSION).append([withdrawn("other")] * facts)
        Catalog(folder).refresh()
        shutil.copy(folder / "catalog.duckdb", tmp_path / "catalog.duckdb")
        assert _tables(catalog) == expected
        assert said in capsys.readouterr().err


def test_a_damaged_journal_is_refused_and_the_index_is_left_alone(
    filled: tuple[Catalog, Tables], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tmp_path / "catalog.duckdb").read_bytes()
    Journal(tmp_path / "journal", SESSION).append([withdrawn("first"), withdrawn("second")])
    (segment,) = (tmp_path / "journal").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"first"', b'"forst"'))
    named = tail(tmp_path / "journal").seq - 1
    with pytest.raises(JournalDamaged) as damage:
        filled[0].refresh()
    assert damage.value.seq == named
    assert (tmp_path / "catalog.duckdb").read_bytes() == before
    assert capsys.readouterr().err.count("\n") == 1
    assert prove(tmp_path / "journal").problems[0].seq == named


def test_what_a_crashed_rebuild_left_behind_does_not_matter(filled: tuple[Catalog, Tables], tmp_path: Path) -> None:
    for suffix in ("", ".wal"):
        (tmp_path / f"catalog.duckdb.new.{os.getpid()}{suffix}").write_bytes(b"half a file")
    assert filled[0].rebuild() == tail(tmp_path / "journal").seq
    assert _tables(filled[0]) == filled[1]
    assert sorted(path.name for path in tmp_path.glob("catalog.duckdb*")) == ["catalog.duckdb"]


def test_a_full_disk_while_applying_loses_nothing(filled: tuple[Catalog, Tables], tmp_path: Path) -> None:
    writer = Journal(tmp_path / "journal", SESSION)
    writer.append([fact for number in range(400) for fact in _cell(f"p{number}", f"w{number}")])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(CatalogError, match="cannot be made from the journal") as refusal:
            filled[0].refresh()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "disk" in refusal.value.remedy
    assert len(_tables(filled[0])["cell"]) == 400
    assert verify(tmp_path / "journal") == tail(tmp_path / "journal").seq


def test_verify_names_the_table_that_was_changed_by_hand(filled: tuple[Catalog, Tables], tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "catalog.duckdb") as connection:
        connection.execute("UPDATE judged SET passed = false WHERE partition = 'p3'")
    (problem,) = filled[0].verify()
    assert "table judged is not what the journal gives" in problem
    filled[0].rebuild()
    assert _tables(filled[0]) == filled[1]


@pytest.mark.parametrize("witness", ["both", "index", "note"])
def test_records_gone_from_the_end_are_a_loss_that_no_command_covers_up(
    filled: tuple[Catalog, Tables], tmp_path: Path, witness: str
) -> None:
    (segment,) = (tmp_path / "journal").glob("*.jsonl")
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:-2]))
    if witness == "index":
        (tmp_path / "journal" / "lock").unlink()
    if witness == "note":
        (tmp_path / "catalog.duckdb").unlink()
    known = filled[0].known()
    assert (known is None) == (witness == "note")
    for question in (filled[0].refresh, filled[0].rebuild, lambda: _tables(filled[0])):
        with pytest.raises(RecordsLost, match="records 163 to 164 are gone") as loss:
            question()
        assert "--accept-loss" in loss.value.remedy
    (problem,) = {problem.what for problem in prove(tmp_path / "journal", known=known).problems}
    assert problem.startswith("records 163 to 164 are gone")
    lost = Journal(tmp_path / "journal", SESSION).accept_loss("the disk was replaced", known)
    assert lost == {"first": 163, "last": 164, "set_aside": [], "reason": "the disk was replaced"}
    assert filled[0].rebuild(accept_loss=True) == 164  # a session, and the acceptance
    proof = prove(tmp_path / "journal", known=filled[0].known())
    assert (proof.problems, proof.losses) == ([], [lost])
    assert filled[0].verify() == []
    assert Journal(tmp_path / "journal", SESSION).accept_loss("again", filled[0].known()) is None


def test_a_record_damaged_in_the_middle_can_be_given_up_with_all_that_follows(
    filled: tuple[Catalog, Tables], tmp_path: Path
) -> None:
    (segment,) = (tmp_path / "journal").glob("*.jsonl")
    whole = segment.read_bytes()
    lines = whole.splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:99], lines[99].replace(b'"seq"', b'"soq"'), *lines[100:]]))
    lost = Journal(tmp_path / "journal", SESSION).accept_loss("a bad block", filled[0].known())
    assert lost is not None
    assert (lost["first"], lost["last"]) == (100, 164)
    (aside,) = lost["set_aside"]
    assert (tmp_path / "journal" / aside).read_bytes().endswith(b"".join(lines[100:]))
    filled[0].rebuild(accept_loss=True)
    assert filled[0].verify() == []
    assert prove(tmp_path / "journal").problems == []


HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""


def test_verify_sees_a_view_that_was_changed_by_hand(filled: tuple[Catalog, Tables], tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "catalog.duckdb") as connection:
        connection.execute("CREATE OR REPLACE VIEW materialization AS SELECT * FROM materialized WHERE false")
    (problem,) = filled[0].verify()
    assert "of views and macros by DuckDB" in problem


def test_a_file_held_by_another_program_is_waited_for_and_its_holder_named(
    filled: tuple[Catalog, Tables], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.1)
    command = [sys.executable, "-c", HOLD, str(tmp_path / "catalog.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        questions: list[Callable[[], object]] = [filled[0].refresh, filled[0].rebuild, lambda: _tables(filled[0])]
        for question in questions:
            with pytest.raises(CatalogBusy) as busy:
                question()
            assert busy.value.exit_code == 4
            if question != filled[0].rebuild:
                assert f"(PID {holder.pid})" in str(busy.value)
        holder.communicate("go\n")
    assert _tables(filled[0]) == filled[1]


def test_a_reader_that_stays_too_long_makes_the_writer_give_up_not_hang(
    filled: tuple[Catalog, Tables], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.1)
    with filled[0].read() as connection:
        with pytest.raises(CatalogBusy, match=r"process \d+ holds .*catalog\.lock"):
            filled[0].refresh()
        assert connection.sql("SELECT count(*) FROM cell").fetchall() == [(40,)]
    assert filled[0].refresh() == 0


def test_nobody_overtakes_whoever_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = tmp_path / "lock"
    order: list[str] = []

    def write() -> None:
        with locks.in_turn(name, exclusive=True):
            order.append("writer")

    writer = threading.Thread(target=write)
    with locks.in_turn(name, exclusive=False):
        writer.start()
        with (tmp_path / "lock.turn").open("r+b") as turn:
            deadline = time.monotonic() + 2
            while _could_lock(turn.fileno()) and time.monotonic() < deadline:
                pass
        with monkeypatch.context() as impatient:
            impatient.setattr(locks, "PATIENCE_SECONDS", 0.05)
            with pytest.raises(CatalogBusy, match=r"lock\.turn"), locks.in_turn(name, exclusive=False):
                order.append("second reader")
        order.append("first reader")
    writer.join()
    assert order == ["first reader", "writer"]


def _could_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def test_a_forked_child_is_refused(filled: tuple[Catalog, Tables]) -> None:
    child = os.fork()
    if child == 0:
        try:
            filled[0].refresh()
        except CatalogError as refusal:
            os._exit(42 if "was forked from" in str(refusal) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42


@given(groups=st.lists(st.tuples(FACTS, st.sampled_from(["", "refresh", "rebuild", "read"])), min_size=1, max_size=5))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sequence_of_appending_refreshing_and_rebuilding_agrees_with_the_model(
    tmp_path_factory: pytest.TempPathFactory, groups: list[tuple[list[Fact], str]]
) -> None:
    folder = tmp_path_factory.mktemp("assets")
    writer, catalog = Journal(folder / "journal", SESSION), Catalog(folder)
    for facts, action in groups:
        writer.append(facts)
        if action == "read":
            _tables(catalog)
        elif action:
            getattr(catalog, action)()
    records = list(read(folder / "journal"))
    with catalog.read() as connection:
        cells = connection.sql("SELECT asset, partition, version, checks_version, published_seq FROM cell").fetchall()
        failures = connection.sql("SELECT asset, partition, seq FROM cell_failure").fetchall()
    model = {cell: (row[0], row[3], row[5]) for cell, row in cells_by_model(records).items()}
    assert {(asset, partition): tuple(row) for asset, partition, *row in cells} == model
    assert len(cells) == len(model)
    assert {(asset, partition): seq for asset, partition, seq in failures} == failures_by_model(records)
    assert [problem for problem in catalog.verify() if "the file is missing" not in problem] == []


KILLED = """
import os, random, select, signal, sys
from pathlib import Path
import duckdb
from catalog.journal import Journal
from catalog.session import Catalog

folder, acknowledged = Path(sys.argv[1]), sys.argv[2]
chance = random.Random(int(sys.argv[3]))
for life in range(15):
    child = os.fork()
    if child == 0:
        writer, catalog = Journal(folder / "journal", {"user": str(life)}), Catalog(folder)
        told = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        while True:
            facts = []
            for cell in range(chance.randrange(1, 30)):
                name, version = f"p{cell}", f"{chance.random()}"
                facts.append(("materialized", {"asset": "a", "partition": name, "version": version}))
                facts.append(("published", {"cells": [["a", name, version, None]]}))
            os.write(told, b"%d\\n" % writer.append(facts)[-1].seq)
            catalog.rebuild() if chance.random() < 0.1 else catalog.refresh()
    select.select([], [], [], chance.uniform(0.01, 0.3))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_kill_9_while_appending_and_applying_leaves_an_index_equal_to_a_replay(tmp_path: Path) -> None:
    seed = str(secrets.randbelow(10**6))
    told = tmp_path / "acknowledged"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(told), seed], check=True, capture_output=True, text=True
    )
    acknowledged = [int(line) for line in told.read_text().split()]
    assert verify(tmp_path / "journal") >= acknowledged[-1], f"seed {seed}"
    assert acknowledged == sorted(set(acknowledged)), f"seed {seed}"
    assert not re.search(r"Traceback|Error", done.stderr), f"seed {seed}: {done.stderr}"
    shutil.copytree(tmp_path / "journal", tmp_path / "replay" / "journal")
    assert _tables(Catalog(tmp_path)) == _tables(Catalog(tmp_path / "replay")), f"seed {seed}"
    assert Catalog(tmp_path).verify() == [], f"seed {seed}"


WRITE_FOR_TWO_SECONDS = """
import sys, time
from pathlib import Path
from catalog.journal import Journal
from catalog.session import Catalog

writer, catalog = Journal(Path(sys.argv[1]) / "journal", {"user": "writer"}), Catalog(Path(sys.argv[1]))
catalog.refresh()
print("go", flush=True)
end = time.monotonic() + 2
groups = 0
while time.monotonic() < end:
    cell = {"asset": "a", "partition": f"p{groups % 50}", "version": str(groups)}
    writer.append([("materialized", cell), ("published", {"cells": [["a", cell["partition"], str(groups), None]]})])
    catalog.refresh()
    groups += 1
print(groups)
"""


def test_a_reader_beside_a_busy_writer_never_fails_and_never_waits_long(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITE_FOR_TWO_SECONDS, str(tmp_path)]
    waits: list[float] = []
    seen: list[int] = []
    catalog = Catalog(tmp_path)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == "go\n"
        while writer.poll() is None:
            end, begin = tail(tmp_path / "journal").seq, time.monotonic()
            with catalog.read() as connection:
                waits.append(time.monotonic() - begin)
                ((applied,),) = connection.sql("SELECT applied_seq FROM meta").fetchall()
            assert applied >= end
            seen.append(applied)
        groups = int(writer.stdout.read())
    assert seen == sorted(seen)
    assert groups > 3
    assert len(waits) > 3
    assert max(waits) < 1, f"{groups} groups beside {len(waits)} readings"
    assert catalog.verify() == []
