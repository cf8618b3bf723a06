"""What one process of a crowd does on a project: append in one of the product's ways, or read; it notes all of it.

Performed in children of many_processes.py, judged by many_judged.py. What a process notes is a line of JSON each; what
was acknowledged to it is durable before it goes on.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from blake3 import blake3
from operations import command

from assets_core.project import find_project
from assets_core.published import reading
from catalog import journal, session
from catalog.journal import Decide, Journal
from catalog.records import Record
from catalog.segments import tail
from catalog.session import Catalog

LEASE_SECONDS = 1
SETTINGS = f'[project]\nname = "crowd"\n[run]\nthreads = 2\nlease_seconds = {LEASE_SECONDS}\n'
DEFINITIONS = """
import time
import polars as pl
from assets_core import DailyPartitions, Partition, asset, external, sql_asset

DAYS = DailyPartitions("2024-01-01", "2024-01-07")
external("numbers", path="numbers.csv")
external("count", path="count.csv")

@asset()
def counter(count: pl.DataFrame) -> pl.DataFrame:
    time.sleep(0.03)
    return count

@asset(partitions=DAYS)
def first(partition: Partition, numbers: pl.DataFrame) -> pl.DataFrame:
    time.sleep(0.03)
    return numbers.with_columns(day=pl.lit(partition.key))

@asset(partitions=DAYS)
def second(first: pl.DataFrame) -> pl.DataFrame:
    time.sleep(0.03)
    return first.with_columns(twice=pl.col("n") * 2)

sql_asset("total", "SELECT sum(n)::BIGINT AS n FROM first")
"""
DAYS = tuple(f"2024-01-0{day}" for day in range(1, 7))
SELECTIONS = ("*", "+total", "+second", "counter", "first", "second+")
SEGMENT_BYTES = 150_000
_OPERATIONS_A_LIFE = 12  # each load of a project leaves an audit hook in its process, which slows it down
_UNEXPECTED = 70


def prepare(root: Path) -> None:
    """Write a project whose sources are there."""
    (root / "definitions").mkdir(parents=True)
    (root / "definitions" / "assets.py").write_text(DEFINITIONS, encoding="utf-8")
    (root / "assets.toml").write_text(SETTINGS, encoding="utf-8")
    (root / "numbers.csv").write_text("n\n1\n", encoding="utf-8")
    (root / "count.csv").write_text("n\n1\n", encoding="utf-8")


def payload_digest(payload: dict[str, Any]) -> str:
    """Return a digest of what a record tells."""
    return blake3(json.dumps(payload, sort_keys=True).encode()).hexdigest()[:32]


class Notes:
    """What a process tells about itself, in a file of its own."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, **facts: object) -> None:
        os.write(self._file, json.dumps(facts).encode() + b"\n")

    def acknowledged(self, records: Sequence[Record]) -> None:
        """Note records that an append has returned, durably."""
        self.write(acknowledged=[[r.seq, r.kind, r.by, payload_digest(r.payload)] for r in records])
        os.fsync(self._file)


def live(kind: str, root: Path, notes: Notes, seed: str, until: float) -> None:
    """Do things of a kind, one after another, until a time by the monotonic clock.

    A `writer` and a `reader` do whatever they come to, a `rival` only makes all that there is: so it wants what any run
    that was stopped holds.
    """
    journal.SEGMENT_BYTES = SEGMENT_BYTES
    chance = random.Random(seed)  # noqa: S311
    tell_what_is_acknowledged(notes)
    life: Writer | Reader = Reader(root, notes, chance) if kind == "reader" else Writer(root, notes, chance, seed, kind)
    for _ in range(1 if kind == "rival" else _OPERATIONS_A_LIFE):
        if time.monotonic() > until:
            break
        (act,) = chance.choices(life.acts, life.weights)
        began = time.monotonic()
        answer = outcome(act)
        ended, name = time.monotonic(), act.__name__
        notes.write(did=name, code=answer["code"], began=began, ended=ended, err=answer["err"][-8000:])


def outcome(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Perform an act; an error of the product becomes its exit code."""
    try:
        return act()
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        return {"code": code, "err": f"{type(error).__name__}: {error}"}


def tell_what_is_acknowledged(notes: Notes) -> None:
    """Have every turn of this process at the journal note the records that it acknowledges, at once."""
    turn = Journal.turn

    def telling(appender: Journal, decide: Decide) -> list[Record]:
        records = turn(appender, decide)
        if records:
            notes.acknowledged(records)
        return records

    Journal.turn = telling  # type: ignore[assignment,method-assign]


class Writer:
    """Appends, in whatever way it comes to."""

    def __init__(self, root: Path, notes: Notes, chance: random.Random, name: str, kind: str) -> None:
        self._root = root
        self._notes = notes
        self._chance = chance
        self._name = name
        self._journal = Journal(root / ".assets" / "journal", {"user": name})
        self._count = 0
        appending = (self.append, self.edit, self.materialize, self.backfill)
        self.acts = (*appending, self.rollback, self.gc, self.anchor, self.compact, self.materialize_all)
        self.weights = (6, 3, 4, 2, 1, 1, 1, 1, 0) if kind == "writer" else (0, 0, 0, 0, 0, 0, 0, 0, 1)

    def append(self) -> dict[str, Any]:
        """Append groups of different sizes; each fact names itself."""
        for _ in range(self._chance.randint(1, 12)):
            group = []
            for _ in range(self._chance.choice((1, 1, 2, 5, 40))):
                self._count += 1
                text = "x" * self._chance.choice((0, 10, 300))
                group.append(("noted", {"id": f"{self._name} {self._count}", "text": text}))
            self._journal.append(group)
        return {"code": 0, "err": ""}

    def edit(self) -> dict[str, Any]:
        """Count one further, and bring other numbers."""
        with open(self._root / "edit.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            counted = int((self._root / "count.csv").read_text(encoding="utf-8").split()[1])
            self._replace("count.csv", counted + 1)
            self._replace("numbers.csv", self._chance.randint(1, 3))
        return {"code": 0, "err": ""}

    def _replace(self, name: str, number: int) -> None:
        draft = self._root / f"{name}.{os.getpid()}"
        draft.write_text(f"n\n{number}\n", encoding="utf-8")
        draft.replace(self._root / name)

    def materialize(self) -> dict[str, Any]:
        more = self._chance.choice(((), (), ("--force",), ("--atomic",)))
        return command(self._root, "materialize", self._chance.choice(SELECTIONS), *more)

    def materialize_all(self) -> dict[str, Any]:
        return command(self._root, "materialize", "--force")

    def backfill(self) -> dict[str, Any]:
        first, last = sorted(self._chance.choices(DAYS, k=2))
        selection = self._chance.choice(("first or second", "second", "*"))
        return command(self._root, "backfill", selection, "--partitions", f"{first}..{last}")

    def rollback(self) -> dict[str, Any]:
        cell = self._chance.choice(("counter", "counter", "total", f"first@{self._chance.choice(DAYS)}"))
        end = tail(self._root / ".assets" / "journal").seq
        return command(self._root, "rollback", cell, "--to", str(self._chance.randint(end // 2, end)))

    def gc(self) -> dict[str, Any]:
        return command(self._root, "gc", "--keep-days", "0", "--keep-versions", "3", "--delete")

    def anchor(self) -> dict[str, Any]:
        return command(self._root, "audit", "anchor")

    def compact(self) -> dict[str, Any]:
        return command(self._root, "catalog", "compact")


class Reader:
    """Asks, in whatever way it comes to, and notes how long it waited for each session with the catalog."""

    def __init__(self, root: Path, notes: Notes, chance: random.Random) -> None:
        self._root = root
        self._notes = notes
        self._chance = chance
        self._position = 0
        self.acts = (self.ask, self.look, self.count, self.status, self.show, self.query, self.explain)
        self.weights = (6, 3, 1, 1, 1, 1, 1)
        note_turns(notes)
        note_sessions(notes)

    @property
    def _end(self) -> int:
        return tail(self._root / ".assets" / "journal").seq

    def ask(self) -> dict[str, Any]:
        """Ask the catalog for what must hold in it at any time."""
        end = self._end
        with Catalog(self._root / ".assets").read() as connection:
            ((applied,),) = connection.sql("SELECT applied_seq FROM meta").fetchall()
            ((records, last),) = connection.sql("SELECT count(*), max(seq) FROM record").fetchall()
            cells = connection.sql("SELECT asset, partition FROM cell").fetchall()
            ((overlaps,),) = connection.sql(
                "SELECT count(*) FROM (SELECT superseded_seq IS DISTINCT FROM lead(published_seq) OVER (PARTITION BY"
                " asset, partition ORDER BY published_seq) AS is_wrong FROM publication) WHERE is_wrong"
            ).fetchall()
        if not records == last == applied >= max(end, self._position):
            self._notes.write(wrong=f"{records} records up to {last}, {applied} applied, {end} were there before")
        if len(cells) != len(set(cells)) or overlaps:
            self._notes.write(wrong=f"at {applied}: {len(cells) - len(set(cells))} cells twice, {overlaps} overlaps")
        self._position = applied
        return {"code": 0, "err": ""}

    def look(self) -> dict[str, Any]:
        """Look at the counter as of a position that is known."""
        with reading(find_project(self._root)) as published:
            _, ((value,),) = published.ask(published.connect(), "SELECT n FROM counter")
            self._notes.write(saw=[published.position, published.position, value])
        return {"code": 0, "err": ""}

    def count(self) -> dict[str, Any]:
        before = self._end
        answer = command(self._root, "query", "SELECT n FROM counter", "--json")
        if answer["code"] == 0:
            self._notes.write(saw=[before, self._end, json.loads(answer["out"])[0]["n"]])
        return answer

    def status(self) -> dict[str, Any]:
        return command(self._root, "status", "--json")

    def show(self) -> dict[str, Any]:
        return command(self._root, "show", self._chance.choice(("first", "second", "counter", "total")), "--json")

    def query(self) -> dict[str, Any]:
        return command(self._root, "catalog", "query", "FROM event ORDER BY seq DESC LIMIT 20", "--json")

    def explain(self) -> dict[str, Any]:
        return command(self._root, "explain", f"second@{self._chance.choice(DAYS)}", "--json")


def note_turns(notes: Notes) -> None:
    """Have every turn of this process at the index noted: asked for, began, ended, how long without a core."""
    in_turn = session.in_turn  # type: ignore[attr-defined]

    @contextmanager
    def timed(name: Path, *, exclusive: bool) -> Iterator[None]:
        asked = time.monotonic()
        with in_turn(name, exclusive=exclusive):
            began, delayed = time.monotonic(), without_core()
            yield
        ended = time.monotonic()
        notes.write(turn=[asked, began, ended, without_core() - delayed])

    session.in_turn = timed  # type: ignore[attr-defined]


def without_core() -> float:
    """Return for how many seconds this thread had something to compute, and others had the cores."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except FileNotFoundError:  # a kernel that does not count it
        return 0.0


def note_sessions(notes: Notes) -> None:
    """Have every session of this process with the catalog note when it was asked for, and when it was there."""
    read = Catalog.read

    @contextmanager
    def timed(catalog: Catalog) -> Iterator[duckdb.DuckDBPyConnection]:
        asked = time.monotonic()
        with read(catalog) as connection:
            notes.write(session=[asked, time.monotonic()])
            yield connection

    Catalog.read = timed  # type: ignore[assignment,method-assign]
