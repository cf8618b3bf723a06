"""Journal and index against a model in memory, through whatever may happen to both of them, in any order.

The model is the list of records itself, looked at one after the other (catalog_facts.py).
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import duckdb
from catalog_facts import (
    FACTS,
    SESSION,
    Fact,
    cells_by_model,
    collected,
    digest,
    failures_by_model,
    pointers_by_model,
    rolled_back,
)
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from catalog import journal as journal_module
from catalog.audit import prove
from catalog.compaction import compress
from catalog.journal import Journal
from catalog.records import Record
from catalog.segments import read, segments, tail
from catalog.session import Catalog

CELL = "asset, partition, version, ordinal, checks_version, materialized_seq, published_seq, signature"
VERSIONS = st.sampled_from(["v", "w"])
PLACES = st.integers(0, 1000)


class CatalogMachine(RuleBasedStateMachine):
    """A journal and its index, and the records that were acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.usual = journal_module.SEGMENT_BYTES
        journal_module.SEGMENT_BYTES = 4000
        self.folder = Path(tempfile.mkdtemp())
        self.told: list[Record] = []
        self.copy: Path | None = None
        self.journal = Journal(self.folder / "journal", SESSION)
        self.catalog = Catalog(self.folder)

    def teardown(self) -> None:
        try:
            self.everything_is_proved()
        finally:
            self.journal.close()
            journal_module.SEGMENT_BYTES = self.usual
            shutil.rmtree(self.folder)

    @property
    def index(self) -> Path:
        return self.folder / "catalog.duckdb"

    # What people do

    @rule(facts=FACTS)
    def append(self, facts: list[Fact]) -> None:
        self.told += self.journal.append(facts)

    @rule(place=PLACES, version=VERSIONS)
    def roll_back(self, place: int, version: str) -> None:
        cells = sorted(pointers_by_model(self.told), key=str)
        if cells:
            self.append([rolled_back((*cells[place % len(cells)], version), reason="model")])

    @rule(place=PLACES, version=VERSIONS)
    def collect(self, place: int, version: str) -> None:
        cells = sorted(pointers_by_model(self.told), key=str)
        if cells:
            self.append([collected((cells[place % len(cells)][0], version))])

    @rule()
    def refresh(self) -> None:
        self.catalog.refresh()
        assert self.catalog.refresh() == 0

    @rule()
    def rebuild(self) -> None:
        assert self.catalog.rebuild() == tail(self.folder / "journal").seq

    @rule()
    def reopen(self) -> None:
        """Go on as another process does."""
        self.journal.close()
        self.journal = Journal(self.folder / "journal", SESSION)
        self.catalog = Catalog(self.folder)

    @rule()
    def seal(self) -> None:
        self.journal.seal("model")

    @rule()
    def compact(self) -> None:
        compress(self.folder / "journal", self.journal)

    # What happens to files

    @precondition(lambda self: self.told)
    @rule(length=st.integers(1, 200))
    def tear(self, length: int) -> None:
        """Leave half a line, as a writer that was killed does."""
        line = f'{digest("torn")} {{"seq":{tail(self.folder / "journal").seq + 1},"at":"2026-01-31T08:00:00.000000Z"'
        with segments(self.folder / "journal")[-1].path.open("ab") as file:
            file.write((line + "x" * 200)[:length].encode())

    @rule()
    def lose_the_stamp(self) -> None:
        (self.folder / "catalog.stamp").unlink(missing_ok=True)

    @rule()
    def lose_the_index(self) -> None:
        self.index.unlink(missing_ok=True)

    @precondition(lambda self: self.index.exists())
    @rule()
    def copy_the_index(self) -> None:
        self.copy = self.folder / "copy"
        shutil.copyfile(self.index, self.copy)

    @precondition(lambda self: self.copy is not None)
    @rule()
    def put_an_older_index_back(self) -> None:
        assert self.copy is not None
        shutil.copyfile(self.copy, self.index)

    # What must be so

    @rule(places=st.lists(PLACES, max_size=2))
    def every_answer_is_the_model_s(self, places: list[int]) -> None:
        records = list(read(self.folder / "journal"))
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert [records[record.seq - 1] for record in self.told] == self.told
        added = Counter(record.kind for record in records) - Counter(record.kind for record in self.told)
        assert added.keys() <= {"session", "sealed"}
        with self.catalog.read() as connection:
            numbers = "SELECT count(*), coalesce(max(seq), 0), count(DISTINCT seq) FROM record"
            assert connection.sql(numbers).fetchall() == [(len(records),) * 3]
            assert_pointers(connection, f"SELECT {CELL} FROM cell", records)
            assert_intervals(connection, records)
            for position in (place % (len(records) + 1) for place in places):
                known = records[:position]
                assert_pointers(connection, f"SELECT {CELL} FROM cell_as_of({position})", known)
                assert_verdicts(connection, position, known)
                failures = connection.sql(f"SELECT asset, partition, seq FROM failure_as_of({position})").fetchall()
                assert {(asset, partition): seq for asset, partition, seq in failures} == failures_by_model(known)

    def everything_is_proved(self) -> None:
        end = tail(self.folder / "journal").seq
        self.every_answer_is_the_model_s([end // 3, end])
        assert prove(self.folder / "journal").problems == []
        assert self.catalog.verify() == []


def assert_pointers(connection: duckdb.DuckDBPyConnection, query: str, records: Sequence[Record]) -> None:
    rows = connection.sql(query).fetchall()
    model = {cell: (*row[:2], *row[3:]) for cell, row in cells_by_model(records).items()}
    assert {(asset, partition): tuple(row) for asset, partition, *row in rows} == model
    assert len(rows) == len(model)


def assert_intervals(connection: duckdb.DuckDBPyConnection, records: Sequence[Record]) -> None:
    """Require that the versions of a cell follow each other without a gap, and that one is current."""
    query = "SELECT asset, partition, published_seq, superseded_seq FROM publication ORDER BY published_seq"
    intervals: dict[tuple[str, str | None], list[tuple[int, int | None]]] = {}
    for asset, partition, begin, end in connection.sql(query).fetchall():
        intervals.setdefault((asset, partition), []).append((begin, end))
    assert intervals.keys() == pointers_by_model(records).keys()
    for spans in intervals.values():
        assert [end for _, end in spans[:-1]] == [begin for begin, _ in spans[1:]]
        assert spans[-1][1] is None
        assert all(before < after for (before, _), (after, _) in pairwise(spans))


def assert_verdicts(connection: duckdb.DuckDBPyConnection, position: int, records: Sequence[Record]) -> None:
    query = f"SELECT asset, partition, check_name, version, passed, seq FROM check_as_of({position})"
    found = [(tuple(row[:3]), tuple(row[3:])) for row in connection.sql(query).fetchall()]
    model = {}
    for record in records:
        if record.kind == "judged":
            named = record.payload
            model[named["asset"], named["partition"], named["check"]] = named["version"], named["passed"], record.seq
    assert dict(found) == model
    assert len(found) == len(model)


TestCatalogModel = CatalogMachine.TestCase
TestCatalogModel.settings = settings(
    max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
