"""From records to rows: every kind lands in its tables, in batches of any size, and pointers follow the journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from catalog_facts import (
    FACTS,
    OTHER_RUN,
    OTHER_STEP,
    RUN,
    SESSION,
    STEP,
    Fact,
    blocked,
    cells_by_model,
    claimed,
    column_lineage,
    declared,
    digest,
    failed,
    failures_by_model,
    judged,
    materialized,
    observed,
    published,
    run_ended,
    run_started,
    skipped,
    withdrawn,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.apply import SCHEMA_VERSION, apply, create_tables, position
from catalog.errors import CatalogError
from catalog.journal import Journal
from catalog.records import Line
from catalog.segments import read, read_lines
from catalog.queries import load
from catalog.rows import STATEMENTS

Rows = list[tuple[Any, ...]]
HOSTILE = [
    "' OR 1=1 --",
    '"; DROP TABLE cell; --',
    "a\0b",
    "\0",
    "\u00e9",
    "e\u0301",
    "",
    "null",
    "\\u0000",
    "..",
    "\U0001f6eb",
]


@contextmanager
def _index() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect(":memory:")) as connection:
        create_tables(connection)
        yield connection


def _lines(folder: Path, facts: list[Fact]) -> list[Line]:
    """Append the facts and return the lines of the journal; the session's is number 1."""
    Journal(folder, SESSION, clock=lambda: datetime.fromisoformat("2026-01-31T09:00:00Z")).append(facts)
    return list(read_lines(folder))


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> Rows:
    return connection.sql(query).fetchall()


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, Rows]:
    names = _rows(connection, "SELECT table_name FROM duckdb_tables() WHERE NOT temporary ORDER BY ALL")
    return {str(name): _rows(connection, f"FROM {name} ORDER BY ALL") for (name,) in names}


def _lanes(text: str) -> tuple[int, int]:
    return int(text[:16], 16), int(text[16:32], 16)


def test_every_table_view_and_column_says_what_it_means() -> None:
    with _index() as connection:
        silent = _rows(
            connection,
            """
            SELECT table_name FROM duckdb_tables() WHERE comment IS NULL OR comment = ''
            UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal AND (comment IS NULL OR comment = '')
            UNION ALL SELECT table_name || '.' || column_name FROM duckdb_columns()
            WHERE NOT internal AND (comment IS NULL OR comment = '')
            """,
        )
        assert silent == []
        assert _rows(connection, "SELECT count(*) FROM duckdb_columns() WHERE NOT internal")[0][0] > 150


def test_every_record_of_a_run_lands_in_its_tables(tmp_path: Path) -> None:
    checks = digest("checks")[:32]
    facts = [
        declared("up", kind="external", partitions={"kind": "daily"}),  # 2
        declared("a", [("up", "up")], query="SELECT 1"),  # 3
        run_started(),  # 4
        observed("up", "p1", "seen", ordinal=4),  # 5
        claimed("a", ["p1"]),  # 6
        materialized("a", "p1", "made", ordinal=4, inputs=[("up", 4, 5, digest("read")[:32])]),  # 7
        judged("a", "p1", "made"),  # 8
        published(("a", "p1", "made", checks)),  # 9
        claimed("a", ["p2"], step=OTHER_STEP),  # 10
        failed("a", "p2", step=OTHER_STEP),  # 11
        skipped("a", ["p3", "p4"]),  # 12
        blocked("a", ["p5", None]),  # 13
        column_lineage("a", digest("code of a")[:32], {"id": [["up", "key", "identity"], ["up", "day", "indirect"]]}),
        run_ended(state="failed"),  # 15
    ]
    nine = datetime.fromisoformat("2026-01-31T09:00:00")
    eight = datetime.fromisoformat("2026-01-31T08:00:00")
    code, code_lanes = digest("code of a")[:32], _lanes(digest("code of a"))
    made, seen, recipe = digest("made"), digest("seen"), _lanes(digest("recipe"))
    file = f"{made[:2]}/{made}.parquet"
    with _index() as connection:
        lines = _lines(tmp_path, facts)
        assert apply(connection, lines).seq == 15
        found = _tables(connection)
        assert found.pop("meta") == [
            (SCHEMA_VERSION, 15, lines[-1].after.digest.hex(), lines[-1].after.segment, lines[-1].after.offset)
        ]
        assert position(connection) == lines[-1].after
        declarations = found.pop("declaration")
        assert [row[:5] for row in declarations] == [
            (2, nine, "up", digest("code of up")[:32], digest("checks of up")[:32]),
            (3, nine, "a", code, digest("checks of a")[:32]),
        ]
        assert _rows(connection, "SELECT document->>'query' FROM declaration WHERE asset = 'a'") == [("SELECT 1",)]
        assert found == {
            "session": [(1, nine, "ada", "engine", 7, ["assets", "materialize", "*"], "0.1.0", None, None)],
            "asset": [
                ("a", "function", None, code, digest("checks of a")[:32], ["ada"], '{"tier":"gold"}', "sample",
                 "what it is", "assets.py", 12, "SELECT 1", 3),
                ("up", "external", '{"kind":"daily"}', digest("code of up")[:32], digest("checks of up")[:32], ["ada"],
                 '{"tier":"gold"}', "sample", "what it is", "assets.py", 12, None, 2),
            ],
            "upstream": [("a", 0, "up", "up", None, None, True)],
            "run": [(RUN, "materialize", "*", None, False, 1, nine, nine, "failed", 1, 2, 3, 4, 1.5, 1, 4)],
            "step": [
                (STEP, RUN, "a", 1, eight, nine, "done", 6),
                (OTHER_STEP, RUN, "a", 1, eight, nine, "failed", 10),
            ],
            "cell": [
                ("a", "p1", 4, "daily", made, *_lanes(made), *recipe, code, *code_lanes, checks, 3, 300, file, 7, 9,
                 None),
                ("up", "p1", 4, "daily", seen, *_lanes(seen), *[None] * 10, 5, "1 2"),
            ],
            "materialization": [
                (7, nine, RUN, STEP, "a", "p1", 4, "daily", made, *_lanes(made), *recipe, code, *code_lanes, 3, 300,
                 file, 1, 0.25),
            ],
            "materialization_input": [(7, "a", "p1", "up", "up", 4, 5, *_lanes(digest("read")))],
            "materialization_column": [
                (7, 0, "id", "int64", made[:32]),
                (7, 1, "name", "string", made[32:]),
            ],
            "observation": [(5, nine, RUN, "up", "p1", 4, "daily", seen, *_lanes(seen), "1 2")],
            "publication": [(5, "up", "p1", seen, 5), (9, "a", "p1", made, 7)],
            "check_result": [
                (8, nine, RUN, STEP, "a", "p1", made, "id is unique", "error", True, None, "", "[]", '{"share":0.5}')
            ],
            "failure": [(11, nine, RUN, OTHER_STEP, "a", "p2", "StepError", "no", "line 1")],
            "skip": [(12, nine, RUN, "a", "p3"), (12, nine, RUN, "a", "p4")],
            "block": [
                (13, nine, RUN, "a", "p5", "an upstream failed"),
                (13, nine, RUN, "a", None, "an upstream failed"),
            ],
            "column_lineage": [
                ("a", "id", "up", "day", "indirect", code),
                ("a", "id", "up", "key", "identity", code),
            ],
        }  # fmt: skip
        assert _rows(connection, "FROM cell_failure") == found["failure"]


def test_the_cells_for_planning_come_by_asset_and_ordinal(tmp_path: Path) -> None:
    facts = []
    for asset, partition, ordinal in (("b", "p1", 1), ("a", "p10", 10), ("a", "p9", 9), ("b", "p0", 0)):
        facts += [materialized(asset, partition, ordinal=ordinal), published((asset, partition, "v", None))]
    with _index() as connection:
        apply(connection, _lines(tmp_path, facts))
        found = connection.sql(load("cells")).fetchnumpy()
    columns = "asset partition ordinal scheme version token_a token_b recipe_a recipe_b code_a code_b code_version"
    assert " ".join(found) == f"{columns} checks_version rows bytes file signature published_seq"
    assert found["partition"].tolist() == ["p9", "p10", "p0", "p1"]
    assert found["token_a"].tolist() == [_lanes(digest("v"))[0]] * 4
    assert str(found["token_a"].dtype) == str(found["recipe_b"].dtype) == "uint64"


def test_applying_records_again_changes_nothing(tmp_path: Path) -> None:
    lines = _lines(tmp_path, [materialized(), published(("a", None, "v", "k")), failed("b")])
    with _index() as connection:
        reached = apply(connection, lines)
        before = _tables(connection)
        assert apply(connection, lines) == apply(connection, lines[2:]) == reached == lines[-1].after
        assert _tables(connection) == before


def test_a_gap_between_records_is_refused(tmp_path: Path) -> None:
    lines = _lines(tmp_path, [withdrawn("a"), withdrawn("b")])
    with _index() as connection:
        apply(connection, lines[:1])
        with pytest.raises(CatalogError, match="record 3 cannot be applied after record 1"):
            apply(connection, lines[2:])
        assert position(connection) == lines[0].after


def test_a_batch_that_fails_leaves_the_tables_as_they_were(tmp_path: Path) -> None:
    lines = _lines(tmp_path, [materialized(), published(("a", None, "v", "k"))])
    with _index() as connection:
        connection.execute("ALTER TABLE cell RENAME TO hidden")
        with pytest.raises(duckdb.CatalogException):
            apply(connection, lines)
        connection.execute("ALTER TABLE hidden RENAME TO cell")
        assert position(connection).seq == 0  # type: ignore[union-attr]
        assert _rows(connection, "FROM materialization") == []
        assert apply(connection, lines).seq == 3


def test_an_unknown_kind_and_a_later_form_of_a_known_kind_become_no_row(tmp_path: Path) -> None:
    known, later = _lines(tmp_path, [materialized(), materialized("b")])[1:]
    text = later.text.replace(b'"v":1', b'"v":2')
    later = Line(3, later.kind, 2, text, later.after)
    (strange,) = _lines(tmp_path / "other", [("pardoned", {"asset": "a"})])[1:]
    strange = Line(4, strange.kind, 1, strange.text, strange.after)
    with _index() as connection:
        session = Line(1, "session_of_old", 1, b"{}", known.after)
        assert apply(connection, [session, known, later, strange]) == strange.after
        assert _rows(connection, "SELECT asset FROM materialization") == [("a",)]
        assert _rows(connection, "SELECT applied_digest FROM meta") == [(strange.after.digest.hex(),)]


def test_a_payload_without_its_members_is_applied_as_far_as_it_goes(tmp_path: Path) -> None:
    kinds = sorted(set().union(*(statement.kinds for statement in STATEMENTS)))
    assert len(kinds) == 14
    facts: list[Fact] = [(kind, {}) for kind in kinds]
    facts += [("materialized", {"asset": ["a"], "token": "xyz", "rows": "many", "inputs": [["up"]], "columns": "no"})]
    facts += [materialized()]
    with _index() as connection:
        assert apply(connection, _lines(tmp_path, facts)).seq == len(facts) + 1
        assert _rows(connection, "SELECT count(*) FROM materialization") == [(3,)]


def test_a_pointer_names_the_newest_record_of_its_cell_and_version(tmp_path: Path) -> None:
    facts = [
        materialized(version="v", recipe="first"),  # 2
        materialized(version="w", recipe="second"),  # 3
        materialized(version="v", recipe="third"),  # 4
        materialized("b", version="v", recipe="other"),  # 5
        published(("a", None, "v", "k1")),  # 6
        materialized(version="v", recipe="not published"),  # 7
    ]
    query = "SELECT version, recipe_a, checks_version, materialized_seq, published_seq FROM cell"
    with _index() as connection:
        apply(connection, _lines(tmp_path, facts))
        assert _rows(connection, query) == [(digest("v"), _lanes(digest("third"))[0], "k1", 4, 6)]
        apply(connection, _lines(tmp_path, [published(("a", None, "w", "k2"))]))
        assert _rows(connection, query) == [(digest("w"), _lanes(digest("second"))[0], "k2", 3, 9)]


def test_a_pointer_to_a_version_that_nobody_recorded_does_not_move(tmp_path: Path) -> None:
    facts = [materialized(version="v"), published(("a", None, "v", "k")), published(("a", None, "unheard of", "k"))]
    with _index() as connection:
        apply(connection, _lines(tmp_path, [*facts, published(("b", None, "v", "k"))]))
        assert _rows(connection, "SELECT asset, version, published_seq FROM cell") == [("a", digest("v"), 3)]


def test_observing_a_judged_version_again_leaves_it_judged_until_the_version_changes(tmp_path: Path) -> None:
    facts = [
        observed(version="v"),
        published(("a", None, "v", "k1")),
        observed(version="v", signature="touched"),
        observed(version="w"),
        observed(version="v"),
        published(("a", None, "v", "k2")),
        observed(version="v", signature="touched again"),
        observed(version="v", signature="and again"),
    ]
    expected = [None, "k1", "k1", None, None, "k2", "k2", "k2"]
    lines = _lines(tmp_path, facts)
    for batch in (1, 2, 3, 8):
        with _index() as connection:
            apply(connection, lines[:1])
            for end in range(1 + batch, len(lines) + 1, batch):
                apply(connection, lines[end - batch : end])
                checks = _rows(connection, "SELECT checks_version, published_seq, materialized_seq FROM cell")
                assert checks == [(expected[end - 2], end, None)]


def test_the_inputs_of_a_materialization_name_the_upstream_declared_at_that_time(tmp_path: Path) -> None:
    read = [("up", 0, 1, digest("x")[:32])]
    facts = [
        materialized(inputs=read),
        declared("a", [("up", "old/source")]),
        materialized(inputs=read),
        declared("a", [("up", "new/source")]),
        materialized(inputs=read),
        withdrawn("a"),
        materialized(inputs=read),
    ]
    with _index() as connection:
        apply(connection, _lines(tmp_path, facts))
        named = _rows(connection, "SELECT upstream FROM materialization_input ORDER BY seq")
        assert named == [(None,), ("old/source",), ("new/source",), (None,)]


def test_a_withdrawn_asset_leaves_its_history_but_no_declaration_and_no_lineage(tmp_path: Path) -> None:
    lineage = {"id": [["up", "key", "identity"]]}
    facts = [
        declared("a", [("up", "up")]),
        column_lineage("a", "1", lineage),
        materialized(),
        published(("a", None, "v", None)),
        withdrawn("a"),
    ]
    with _index() as connection:
        apply(connection, _lines(tmp_path, facts))
        for table, count in {"asset": 0, "upstream": 0, "column_lineage": 0, "declaration": 2, "cell": 1}.items():
            assert _rows(connection, f"SELECT count(*) FROM {table}") == [(count,)], table
        apply(connection, _lines(tmp_path, [withdrawn("a"), column_lineage("a", "2", lineage), declared("a")]))
        assert _rows(connection, "SELECT code_version FROM column_lineage") == [("2",)]
        assert _rows(connection, "SELECT declared_seq FROM asset") == [(10,)]


def test_a_run_that_is_resumed_keeps_its_start_and_is_running_again(tmp_path: Path) -> None:
    facts = [run_started(cells=5), run_ended(state="interrupted"), run_started(cells=3), run_ended(OTHER_RUN)]
    query = "SELECT run, cells, state, ended_at, made, started_seq, by_seq FROM run"
    with _index() as connection:
        apply(connection, _lines(tmp_path, facts))
        assert _rows(connection, query) == [(RUN, 3, "running", None, None, 2, 1)]


def test_a_failure_is_shown_until_its_cell_is_published(tmp_path: Path) -> None:
    facts = [failed("a", None, message="first"), failed("a", None, message="second"), failed("a", "p", message="other")]
    with _index() as connection:
        apply(connection, _lines(tmp_path, facts))
        query = "SELECT partition, message FROM cell_failure ORDER BY ALL"
        assert _rows(connection, query) == [("p", "other"), (None, "second")]
        apply(connection, _lines(tmp_path, [materialized(), published(("a", None, "v", None))]))
        assert _rows(connection, query) == [("p", "other")]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_a_value_and_nothing_else(tmp_path: Path, text: str) -> None:
    twin = f"{text}x"
    facts = [
        declared(text, [(text, text)], owners=[text], tags={text: text}, description=text),
        run_started(text),
        claimed(text, [text, twin], run=text, step=text),
        materialized(text, text, run=text, step=text, inputs=[(text, 0, 1, digest("x")[:32])]),
        materialized(text, twin, run=text, step=text),
        published((text, text, "v", text), (text, twin, "v", text)),
        skipped(text, [text]),
        column_lineage(text, text, {text: [[text, text, text]], twin: [[text, text, text]]}),
        failed(text, text, message=text),
    ]
    with _index() as connection:
        apply(connection, _lines(tmp_path, facts))
        expected = {
            "SELECT asset, partition, checks_version FROM cell ORDER BY ALL": [(text, text, text), (text, twin, text)],
            "SELECT asset, owners, description FROM asset": [(text, [text], text)],
            "SELECT name, upstream FROM upstream": [(text, text)],
            "SELECT name, upstream, partition FROM materialization_input": [(text, text, text)],
            "SELECT run, step, state FROM step": [(text, text, "done")],
            "SELECT partition FROM skip": [(text,)],
            "SELECT column_name, upstream, how FROM column_lineage ORDER BY ALL": [(text,) * 3, (twin, text, text)],
            "SELECT asset, partition, message FROM cell_failure": [(text, text, text)],
            "SELECT map_entries(from_json(tags, '\"MAP(VARCHAR, VARCHAR)\"'))[1] FROM asset": [
                ({"key": text, "value": text},)
            ],
        }
        for query, rows in expected.items():
            assert _rows(connection, query) == rows, query


def test_unicode_twins_are_two_cells(tmp_path: Path) -> None:
    facts = [materialized(partition="\u00e9"), materialized(partition="e\u0301", version="w")]
    facts += [published(("a", "\u00e9", "v", None), ("a", "e\u0301", "w", None))]
    with _index() as connection:
        apply(connection, _lines(tmp_path, facts))
        cells = dict(connection.sql("SELECT partition, version FROM cell").fetchall())
    assert cells == {"\u00e9": digest("v"), "e\u0301": digest("w")}


@given(groups=st.lists(FACTS, min_size=1, max_size=5), data=st.data())
@settings(max_examples=15, deadline=None)
def test_batches_of_any_size_end_in_the_same_tables_and_in_those_of_the_model(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[Fact]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    lines = _lines(folder, [fact for group in groups for fact in group])
    cuts = sorted(data.draw(st.sets(st.integers(1, len(lines)), max_size=4), label="cuts"))
    with _index() as at_once, _index() as in_pieces:
        apply(at_once, lines)
        for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True):
            apply(in_pieces, lines[start:end])
        tables = _tables(at_once)
        assert _tables(in_pieces) == tables
        records = list(read(folder))
        model = cells_by_model(records)
        columns = "asset, partition, version, ordinal, recipe_a, recipe_b, checks_version, materialized_seq"
        found = _rows(at_once, f"SELECT {columns}, published_seq, signature FROM cell")
        assert len(found) == len(model)
        for asset, partition, version, ordinal, recipe_a, recipe_b, *others in found:
            wanted = model[str(asset), partition]
            recipe = _lanes(str(wanted[2])) if wanted[2] else (None, None)
            assert (version, ordinal, (recipe_a, recipe_b), *others) == (*wanted[:2], recipe, *wanted[3:])
        failures = _rows(at_once, "SELECT asset, partition, seq FROM cell_failure")
        assert {(asset, partition): seq for asset, partition, seq in failures} == failures_by_model(records)
        assert len(tables["run"]) == len({run for run, *_ in tables["run"]})
