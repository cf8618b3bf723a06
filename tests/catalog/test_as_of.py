"""What was true after any record: pointers, failures, verdicts and declarations as of a position, against the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from catalog_facts import (
    FACTS,
    SESSION,
    Fact,
    cells_by_model,
    declared,
    digest,
    failed,
    failures_by_model,
    judged,
    materialized,
    observed,
    published,
    rolled_back,
    withdrawn,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.apply import apply, create_tables
from catalog.journal import Journal
from catalog.segments import read, read_lines

Rows = list[tuple[Any, ...]]
START = datetime(2026, 1, 31, 9, tzinfo=UTC)


@contextmanager
def _index(folder: Path, facts: list[Fact]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield the index of facts, one appended a minute."""
    minutes = iter(range(len(facts)))
    writer = Journal(folder, SESSION, clock=lambda: START + timedelta(minutes=next(minutes)))
    for fact in facts:
        writer.append([fact])
    with closing(duckdb.connect(":memory:")) as connection:
        create_tables(connection)
        apply(connection, read_lines(folder))
        yield connection


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> Rows:
    return connection.sql(query).fetchall()


@given(groups=st.lists(FACTS, min_size=1, max_size=3))
@settings(max_examples=10, deadline=None)
def test_every_position_shows_the_cells_and_failures_of_that_time(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[Fact]]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    with _index(folder, [fact for group in groups for fact in group]) as connection:
        records = list(read(folder))
        for position in range(len(records) + 1):
            known = records[:position]
            columns = "asset, partition, version, ordinal, checks_version, materialized_seq, published_seq, signature"
            found = _rows(connection, f"SELECT {columns} FROM cell_as_of({position})")
            model = {cell: (*row[:2], *row[3:]) for cell, row in cells_by_model(known).items()}
            assert {(asset, partition): tuple(row) for asset, partition, *row in found} == model
            assert len(found) == len(model)
            failures = _rows(connection, f"SELECT asset, partition, seq FROM failure_as_of({position})")
            assert {(asset, partition): seq for asset, partition, seq in failures} == failures_by_model(known)
            failed_since = _rows(
                connection, f"SELECT asset, partition FROM cell_as_of({position}) WHERE state = 'failed since'"
            )
            assert set(failed_since) == set(model) & failures_by_model(known).keys()
        assert _rows(connection, f"FROM cell_as_of({len(records)}) ORDER BY ALL") == _rows(
            connection, "FROM cell ORDER BY ALL"
        )


def test_a_cell_goes_back_to_its_newest_publication_of_a_version_with_the_verdict_of_then(tmp_path: Path) -> None:
    facts = [
        materialized(version="v", recipe="first"),  # 2
        published(("a", None, "v", "k1")),  # 3
        materialized(version="v", recipe="second"),  # 4
        published(("a", None, "v", "k2")),  # 5
        materialized(version="w"),  # 6
        published(("a", None, "w", "k3")),  # 7
        rolled_back(("a", None, "v")),  # 8
        rolled_back(("a", None, "never published"), ("b", None, "v")),  # 9
        rolled_back(("a", None, "w")),  # 10
        rolled_back(("a", None, "v")),  # 11
    ]
    query = "SELECT version, checks_version, materialized_seq, published_seq FROM cell_as_of({})"
    with _index(tmp_path, facts) as connection:
        assert _rows(connection, query.format(2)) == []
        assert _rows(connection, query.format(3)) == [(digest("v"), "k1", 2, 3)]
        assert _rows(connection, query.format(7)) == [(digest("w"), "k3", 6, 7)]
        assert _rows(connection, query.format(9)) == [(digest("v"), "k2", 4, 8)]
        assert _rows(connection, query.format(10)) == [(digest("w"), "k3", 6, 10)]
        assert _rows(connection, query.format(11)) == [(digest("v"), "k2", 4, 11)]
        lanes = _rows(connection, "SELECT recipe_a FROM publication WHERE published_seq IN (5, 8, 11)")
        assert len(lanes) == 3
        assert len(set(lanes)) == 1


def test_an_observation_after_a_rollback_keeps_the_verdict_of_the_version_gone_back_to(tmp_path: Path) -> None:
    facts = [
        observed(version="v"),  # 2
        published(("a", None, "v", "k1")),  # 3
        observed(version="w"),  # 4
        rolled_back(("a", None, "v")),  # 5
        observed(version="v", signature="touched"),  # 6
    ]
    with _index(tmp_path, facts) as connection:
        found = [
            _rows(connection, f"SELECT checks_version, signature FROM cell_as_of({position})") for position in (4, 5, 6)
        ]
        assert found == [[(None, "1 2")], [("k1", "1 2")], [("k1", "touched")]]


def test_a_time_names_the_last_record_that_is_not_later(tmp_path: Path) -> None:
    with _index(tmp_path, [withdrawn("a"), withdrawn("b"), withdrawn("c")]) as connection:
        asked = ["2026-01-31 08:59:59", "2026-01-31 09:00:00", "2026-01-31T09:01:30", "2030-01-01"]
        assert [_rows(connection, f"SELECT position_at('{time}')") for time in asked] == [
            [(0,)], [(2,)], [(3,)], [(4,)]
        ]  # fmt: skip
        assert _rows(connection, "SELECT position_at(TIMESTAMP '2026-01-31 09:01:00')") == [(3,)]


def test_declarations_and_verdicts_are_those_of_the_position(tmp_path: Path) -> None:
    facts = [
        declared("a", line=1),  # 2
        declared("a", line=2),  # 3
        withdrawn("a"),  # 4
        materialized(),  # 5
        judged(passed=False),  # 6
        judged(passed=True),  # 7
        failed(),  # 8
    ]
    with _index(tmp_path, facts) as connection:
        declarations = [_rows(connection, f"SELECT line, declared_seq FROM asset_as_of({at})") for at in (1, 2, 3, 4)]
        assert declarations == [[], [(1, 2)], [(2, 3)], []]
        verdicts = [_rows(connection, f"SELECT passed, seq, version FROM check_as_of({at})") for at in (5, 6, 8)]
        assert verdicts == [[], [(False, 6, digest("v"))], [(True, 7, digest("v"))]]
        assert _rows(connection, "SELECT seq FROM failure_as_of(7)") == []
        assert _rows(connection, "SELECT seq FROM failure_as_of(8)") == [(8,)]
