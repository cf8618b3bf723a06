"""What people ask the index: its views and macros, in a file opened read-only by any of the ways there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from catalog_facts import (
    OTHER_RUN,
    OTHER_STEP,
    RUN,
    SESSION,
    Fact,
    blocked,
    claimed,
    claimed_steps,
    collected,
    column_lineage,
    declared,
    digest,
    failed,
    judged,
    materialized,
    observed,
    published,
    rolled_back,
    run_ended,
    run_started,
    skipped,
)

from catalog.apply import apply, create_tables
from catalog.journal import Journal
from catalog.segments import read_lines

Rows = list[tuple[Any, ...]]
STATES = ("asset", "cell", "check", "column_lineage", "failure", "upstream")
NINE = datetime.fromisoformat("2026-01-31T09:00:00")
EIGHT = datetime.fromisoformat("2026-01-31T08:00:00")

FACTS: list[Fact] = [
    declared("up", kind="external"),  # 2
    declared("a", [("source", "up")]),  # 3
    run_started(),  # 4
    observed("up", "p0", "s0", ordinal=0),  # 5
    observed("up", "p1", "s1", ordinal=1),  # 6
    claimed_steps((1, "a", ["p1"]), (2, "a", ["p2"])),  # 7
    materialized("a", "p1", "v1", ordinal=1, inputs=[("source", 0, 2, digest("x")[:32])], position=7),  # 8
    judged("a", "p1", "v1"),  # 9
    published(("a", "p1", "v1", "k")),  # 10
    failed("a", "p2", step=2),  # 11
    blocked("b", ["p2"]),  # 12
    observed("up", "p1", "s1 later", ordinal=1),  # 13
    materialized("a", "p1", "v2", ordinal=1, inputs=[("source", 0, 2, digest("y")[:32])], position=13, step=3),  # 14
    judged("a", "p1", "v2", passed=False),  # 15
    published(("a", "p1", "v2", "k")),  # 16
    failed("a", "p1", message="again"),  # 17
    skipped("a", ["p3"]),  # 18
    collected(("a", "v0")),  # 19
    run_ended(),  # 20
    column_lineage("a", "k", {"id": [["up", "key", "identity"]]}),  # 21
]


@contextmanager
def _index(folder: Path, facts: list[Fact]) -> Iterator[duckdb.DuckDBPyConnection]:
    Journal(folder / "journal", SESSION, clock=lambda: NINE.replace(tzinfo=UTC)).append(facts)
    with closing(duckdb.connect(":memory:")) as connection:
        create_tables(connection)
        apply(connection, read_lines(folder / "journal"))
        yield connection


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with _index(tmp_path_factory.mktemp("views"), FACTS) as connection:
        yield connection


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> Rows:
    return connection.sql(query).fetchall()


def test_a_cell_shows_its_current_version_and_its_state(connection: duckdb.DuckDBPyConnection) -> None:
    columns = "asset, partition, state, version, file, rows, bytes, run, checks_version, materialized_seq"
    version = digest("v2")
    assert _rows(connection, f"SELECT {columns} FROM cell ORDER BY ALL") == [
        ("a", "p1", "failed since", version, f"a/{version}.parquet", 3, 300, RUN, "k", 14),
        ("up", "p0", "external", digest("s0"), None, None, None, RUN, None, None),
        ("up", "p1", "external", digest("s1 later"), None, None, None, RUN, None, None),
    ]
    assert _rows(connection, "SELECT DISTINCT state FROM cell_as_of(16) WHERE asset = 'a'") == [("current",)]


def test_an_input_names_the_version_that_was_current_when_it_was_read(connection: duckdb.DuckDBPyConnection) -> None:
    columns = "seq, asset, partition, version, name, upstream, upstream_partition, upstream_version, upstream_seq"
    assert _rows(connection, f"SELECT {columns} FROM input ORDER BY ALL") == [
        (8, "a", "p1", digest("v1"), "source", "up", "p0", digest("s0"), 5),
        (8, "a", "p1", digest("v1"), "source", "up", "p1", digest("s1"), 6),
        (14, "a", "p1", digest("v2"), "source", "up", "p0", digest("s0"), 5),
        (14, "a", "p1", digest("v2"), "source", "up", "p1", digest("s1 later"), 13),
    ]


def test_an_input_names_no_cell_that_was_numbered_under_another_scheme(tmp_path: Path) -> None:
    read = [("up", 0, 2, digest("x")[:32])]
    facts = [
        declared("a", [("up", "up")]),  # 2
        materialized("up", "p0", "old", ordinal=0, scheme="weekly"),  # 3
        materialized("up", "p1", "new", ordinal=1, scheme="daily"),  # 4
        published(("up", "p0", "old", None), ("up", "p1", "new", None)),  # 5
        materialized("a", "p1", "v", inputs=read, position=5),  # 6
    ]
    with _index(tmp_path, facts) as connection:
        query = "SELECT upstream_partition, upstream_seq FROM input"
        assert _rows(connection, query) == [("p1", 4)]


def test_the_way_back_through_all_inputs_is_one_recursive_question(tmp_path: Path) -> None:
    facts: list[Fact] = [declared("b", [("a", "a")]), declared("c", [("b", "b")])]
    for place, asset in enumerate("abc"):
        inputs = [(chr(ord(asset) - 1), 0, 1, digest("x")[:32])] if place else []
        facts += [
            materialized(asset, None, asset, inputs=inputs, position=3 + 2 * place),
            published((asset, None, asset, None)),
        ]
    query = """
        WITH RECURSIVE way AS (
            SELECT upstream, upstream_seq FROM input WHERE asset = 'c'
            UNION SELECT i.upstream, i.upstream_seq FROM way JOIN input AS i ON i.seq = way.upstream_seq)
        FROM way ORDER BY ALL
    """
    with _index(tmp_path, facts) as connection:
        assert _rows(connection, query) == [("a", 4), ("b", 6)]


def test_a_step_tells_how_it_ended(tmp_path: Path) -> None:
    facts = [
        run_started(),  # 2
        claimed_steps((1, "a", ["p1"]), (2, "a", ["p2", "p3"]), (3, "b", [None])),  # 3
        claimed("c", ["p"], run=OTHER_RUN, step=OTHER_STEP),  # 4: of a run that did not start
        materialized("a", "p1"),  # 5
        failed("a", "p2", step=2),  # 6
        judged("a", "p1"),  # 7
    ]
    query = "SELECT step, asset, cells, started_at, ended_at, state, claimed_seq FROM step ORDER BY step, claimed_seq"
    with _index(tmp_path / "going", facts) as connection:
        assert _rows(connection, query) == [
            (1, "a", 1, EIGHT, NINE, "done", 3),
            (2, "a", 2, EIGHT, NINE, "failed", 3),
            (3, "b", 1, EIGHT, None, "running", 3),
        ]
    # Steps that are claimed anew are told apart, and one that its run left behind runs no more.
    facts += [claimed("a", ["p2"], step=2), materialized("a", "p2", step=2), run_ended(state="interrupted")]
    with _index(tmp_path / "ended", facts) as connection:
        assert _rows(connection, f"SELECT step, state, claimed_seq FROM ({query})") == [
            (1, "done", 3), (2, "failed", 3), (2, "done", 8), (3, "interrupted", 3)
        ]  # fmt: skip


def test_a_verdict_names_the_version_that_it_judged_known_or_not(tmp_path: Path) -> None:
    facts = [materialized(version="v"), judged(version="v"), observed("b", version="s"), judged("b", version="s")]
    facts += [judged("b", version="nobody knows it", passed=False)]
    with _index(tmp_path, facts) as connection:
        assert _rows(connection, "SELECT version FROM check_result ORDER BY seq") == [
            (digest(version),) for version in ("v", "s", "nobody knows it")
        ]
        assert _rows(connection, "SELECT source_seq FROM judged ORDER BY seq") == [(2,), (4,), (None,)]


def test_events_tell_in_words_what_happened(connection: duckdb.DuckDBPyConnection) -> None:
    found = _rows(connection, "SELECT kind, asset, partition, text FROM event WHERE seq >= 10 ORDER BY seq")
    assert found == [
        ("published", "a", "p1", "is now what record 8 made"),
        ("failed", "a", "p2", "StepError: no"),
        ("blocked", "b", "p2", "was not tried: an upstream failed"),
        ("observed", "up", "p1", f"seen at version {digest('s1 later')[:12]}"),
        ("materialized", "a", "p1", f"made version {digest('v2')[:12]}, 3 rows"),
        ("judged", "a", "p1", "check id is unique did not pass (error)"),
        ("published", "a", "p1", "is now what record 14 made"),
        ("failed", "a", "p1", "StepError: again"),
        ("skipped", "a", "p3", "was found fresh"),
        ("collected", "a", None, f"file of version {digest('v0')[:12]} was removed: older than a year"),
        ("run_ended", None, None, "done: 1 made, 2 fresh, 3 failed, 4 blocked"),
    ]
    (who,) = set(_rows(connection, 'SELECT who, "at" FROM event'))
    assert who == ("Ada Lovelace", _rows(connection, 'SELECT "at" FROM record WHERE seq = 1')[0][0])


def test_an_event_of_a_rollback_says_where_to_and_why(tmp_path: Path) -> None:
    facts = [materialized(), published(("a", None, "v", "k")), rolled_back(("a", None, "v"), reason="wrong source")]
    with _index(tmp_path, facts) as connection:
        assert _rows(connection, "SELECT kind, text FROM event WHERE seq = 4") == [
            ("rolled_back", f"goes back to version {digest('v')[:12]} (as of record 5): wrong source")
        ]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an index in a file of its own."""
    folder = tmp_path_factory.mktemp("file")
    Journal(folder / "journal", SESSION).append(FACTS)
    with closing(duckdb.connect(":memory:")) as connection:
        connection.execute(f"ATTACH '{folder / 'index.duckdb'}' AS filled (STORAGE_VERSION 'v1.5.0')")
        connection.execute("USE filled")
        create_tables(connection)
        apply(connection, read_lines(folder / "journal"))
        connection.execute("USE memory")
        connection.execute("DETACH filled")
    return folder / "index.duckdb"


def _everything(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Ask every view and macro; return how many rows each gives."""
    connection.execute("SET enable_external_access = false")
    names = [name for (name,) in _rows(connection, "SELECT view_name FROM duckdb_views() WHERE NOT internal")]
    names += [f"{thing}_as_of(position_at('2100-01-01'))" for thing in STATES]
    return {name: len(_rows(connection, f"FROM {name}")) for name in names}


@pytest.mark.parametrize("alias", ["catalog", "another name", "cell"])
def test_views_work_in_a_file_that_is_attached_under_any_name(file: Path, alias: str) -> None:
    with closing(duckdb.connect(file, read_only=True)) as opened:
        expected = _everything(opened)
    assert min(expected.values()) > 0
    assert expected["cell"] == expected["cell_as_of(position_at('2100-01-01'))"] == 3
    with closing(duckdb.connect(":memory:")) as attached:
        attached.execute(f"ATTACH '{file}' AS \"{alias}\" (READ_ONLY)")
        attached.execute(f'USE "{alias}"')
        assert _everything(attached) == expected
