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
    claimed_steps,
    collected,
    column_lineage,
    declared,
    digest,
    failed,
    failures_by_model,
    judged,
    materialized,
    observed,
    published,
    rolled_back,
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
from catalog.queries import load
from catalog.records import Line
from catalog.rows.payloads import KINDS
from catalog.segments import read, read_lines

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
        assert _rows(connection, "SELECT count(*) FROM duckdb_columns() WHERE NOT internal")[0][0] > 250
        macros = "SELECT function_name, comment FROM duckdb_functions() WHERE NOT internal ORDER BY ALL"
        states = ["asset", "cell", "check", "column_lineage", "failure", "upstream"]
        known = sorted([*(f"{state}_as_of" for state in states), "position_at"])
        assert [name for name, comment in _rows(connection, macros) if comment] == known


def test_every_record_of_a_run_lands_in_its_tables(tmp_path: Path) -> None:
    checks = digest("checks")[:32]
    facts = [
        declared("up", kind="external", partitions={"kind": "daily"}),  # 2
        declared("a", [("up", "up")], query="SELECT 1"),  # 3
        run_started(),  # 4
        observed("up", "p1", "seen", ordinal=4),  # 5
        claimed("a", ["p1"]),  # 6
        materialized("a", "p1", "made", ordinal=4, inputs=[("up", 4, 5, digest("read")[:32])],
                     file_digest=digest("bytes")[:32]),  # 7
        judged("a", "p1", "made"),  # 8
        published(("a", "p1", "made", checks)),  # 9
        claimed_steps((OTHER_STEP, "a", ["p2"]), (3, "a", ["p6", "p7"])),  # 10
        failed("a", "p2", step=OTHER_STEP),  # 11
        skipped("a", ["p3", "p4"]),  # 12
        blocked("a", ["p5", None]),  # 13
        column_lineage("a", digest("code of a")[:32], {"id": [["up", "key", "identity"], ["up", "day", "indirect"]]}),
        rolled_back(("up", "p1", "seen"), reason="why not"),  # 15
        collected(("a", "old"), ("a", "older")),  # 16
        materialized("a", "p2", "not published", ordinal=5, file="elsewhere"),  # 17
        ("sealed", {"segment": "1", "records": 9, "segment_root": "r", "segments": 1, "last": 9, "last_digest": "d",
                    "root": "s", "frontier": ["f"], "reason": "size", "public_key": None, "signature": None}),  # 18
        ("pruned", {"before": "2020", "segments": [["1", 9, 3]], "reason": "retention"}),  # 19
        ("loss_accepted", {"first": 3, "last": 4, "reason": "disk"}),  # 20
        run_ended(state="failed"),  # 21
        ("attempt_failed", {"run": RUN, "step": 3, "asset": "a", "partition": "p6", "error": "OSError",
                            "message": "busy", "traceback": "line 2", "attempt": 2, "seconds": 0.5,
                            "wait_seconds": 1.25}),  # 22
        ("steered", {"run": RUN, "action": "concurrency", "value": 8, "reason": "night"}),  # 23
    ]  # fmt: skip
    nine = datetime.fromisoformat("2026-01-31T09:00:00")
    eight = datetime.fromisoformat("2026-01-31T08:00:00")
    code, code_lanes = digest("code of a")[:32], _lanes(digest("code of a"))
    made, seen, recipe = digest("made"), digest("seen"), _lanes(digest("recipe"))
    secret = digest("not published")
    with _index() as connection:
        lines = _lines(tmp_path, facts)
        assert apply(connection, lines).seq == 23
        found = _tables(connection)
        end = lines[-1].after
        assert found.pop("meta") == [
            (SCHEMA_VERSION, 23, end.digest.hex(), end.segment, end.offset, duckdb.__version__),
        ]
        assert position(connection) == lines[-1].after
        declarations = found.pop("declaration")
        assert [row[:5] for row in declarations] == [
            (2, nine, "up", digest("code of up")[:32], digest("checks of up")[:32]),
            (3, nine, "a", code, digest("checks of a")[:32]),
        ]
        assert _rows(connection, "SELECT document->>'query' FROM declaration WHERE asset = 'a'") == [("SELECT 1",)]
        records = found.pop("record")
        assert [row[0] for row in records] == list(range(1, 24))
        assert {row[1:3] for row in records} == {(nine, 1)}
        assert [row[3] for row in records] == [line.kind for line in lines]
        assert found == {
            "session": [
                (1, nine, "ada", "Ada Lovelace", None, "engine", 7, ["assets", "materialize", "*"], "0.1.0", None, None)
            ],
            "other_record": [],
            "run": [
                (RUN, "materialize", "*", None, False, False, 1, nine, nine, "failed", 1, 2, 3, 4, 1.5, 1, 4, 21,
                 None, None)
            ],
            "claim": [
                (6, RUN, STEP, "a", 1, eight),
                (10, RUN, OTHER_STEP, "a", 1, eight),
                (10, RUN, 3, "a", 2, eight),
            ],
            "materialized": [
                (7, nine, RUN, STEP, "a", "p1", made, code, 3, 300, None, 1, 0.25, *_lanes(digest("bytes")), None),
                (17, nine, RUN, STEP, "a", "p2", secret, code, 3, 300, "elsewhere", 1, 0.25, None, None, None),
            ],
            "unpublished": [(17, 5, "daily", *_lanes(secret), *recipe, None, None, *code_lanes)],
            "materialization_input": [(7, "up", "up", 4, 5, _lanes(digest("read"))[0])],
            "materialization_column": [
                (7, 0, "id", "int64", *_lanes(made[:32])),
                (7, 1, "name", "string", *_lanes(made[32:])),
                (17, 0, "id", "int64", *_lanes(secret[:32])),
                (17, 1, "name", "string", *_lanes(secret[32:])),
            ],
            "observed": [(5, nine, RUN, "up", "p1", seen)],
            "code_part": [],
            "reading": [],
            "numbering": [(5, "up", "daily"), (7, "a", "daily")],
            "publication": [
                ("a", "p1", 4, "daily", 9, None, 7, *_lanes(made), *recipe, None, None, *code_lanes, checks, None),
                ("up", "p1", 4, "daily", 5, 15, 5, *_lanes(seen), *[None] * 7, "1 2"),
                ("up", "p1", 4, "daily", 15, None, 5, *_lanes(seen), *[None] * 7, "1 2"),
            ],
            "rollback": [(15, nine, "up", "p1", seen, "as of record 5", "why not")],
            "judged": [
                (8, nine, RUN, STEP, "a", "p1", 7, None, "id is unique", "error", True, None, "", "[]",
                 '{"share":0.5}')
            ],
            "failure": [(11, nine, RUN, OTHER_STEP, "a", "p2", "StepError", "no", "line 1", 1)],
            "failed_attempt": [(22, nine, RUN, 3, "a", "p6", 2, "OSError", "busy", "line 2", 0.5, 1.25)],
            "steering": [(23, nine, RUN, "concurrency", 8, "night")],
            "skip": [(12, nine, RUN, "a", key, key, None, None, None, False) for key in ("p3", "p4")],
            "comparison": [],
            "comparison_input": [],
            "partition_key": [],
            "block": [
                (13, nine, RUN, "a", "p5", "an upstream failed"),
                (13, nine, RUN, "a", None, "an upstream failed"),
            ],
            "traced": [
                (14, "a", code, "id", "up", "day", "indirect"),
                (14, "a", code, "id", "up", "key", "identity"),
            ],
            "collection": sorted(
                (16, nine, "a", digest(version), None, "older than a year") for version in ("old", "older")
            ),
            "seal": [(18, nine, "1", 9, "r", 1, 9, "d", "s", ["f"], "size", None, None)],
            "pruning": [(19, nine, "2020", "1", 9, 3, "retention")],
            "loss": [(20, nine, 3, 4, "disk")],
        }  # fmt: skip


def test_the_cells_for_planning_have_a_key_only_where_they_are_numbered_otherwise(tmp_path: Path) -> None:
    facts = []
    for asset, partition, ordinal, checks in (("b", "p1", 1, "k"), ("a", "p10", 10, "k"), ("c", "p9", 9, None)):
        facts += [materialized(asset, partition, ordinal=ordinal), published((asset, partition, "v", checks))]
    facts += [observed("b", None, "v")]
    asked = {"assets": ["a", "b"], "schemes": ["hourly", "daily"], "checks": ["k", ""], "first": 0, "end": 100}
    with _index() as connection:
        apply(connection, _lines(tmp_path, facts))
        found = connection.sql(load("cells"), params=asked).fetchnumpy()
        ids = found["id"][found["is_renumbered"]].tolist()
        keys = connection.sql(load("cell_keys"), params={"ids": ids}).fetchall()
        told = {"assets": asked["assets"], "schemes": asked["schemes"], "position": 10**6}
        details = connection.sql(load("cell_details"), params=told).fetchall()
    columns = [values.tolist() for name, values in found.items() if name != "id"]
    rows = sorted(zip(*columns, strict=True), key=lambda row: (row[0], row[2]))
    assert [key for _, key in keys] == ["p10"]
    lanes, made = _lanes(digest("v")), (*_lanes(digest("recipe")),)
    file = f"{digest('v')}.parquet"
    assert rows == [
        (0, True, 10, 5, *lanes, *made, *_lanes(digest("code of a")), False, True),
        (1, False, 0, 8, *lanes, *[0] * 4, False, False),
        (1, False, 1, 3, *lanes, *made, *_lanes(digest("code of b")), False, False),
    ]
    assert str(found["token_a"].dtype) == str(found["whole_b"].dtype) == "uint64"
    assert sorted(details, key=lambda row: (row[0], row[3])) == [
        (0, True, "p10", 10, digest("v"), f"a/{file}", 3, 300, None, "k", 4),
        (1, False, None, 0, digest("v"), None, 0, 0, "1 2", None, 8),
        (1, False, None, 1, digest("v"), f"b/{file}", 3, 300, None, "k", 2),
    ]


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
        connection.execute("ALTER TABLE publication RENAME TO hidden")
        with pytest.raises(duckdb.CatalogException):
            apply(connection, lines)
        connection.execute("ALTER TABLE hidden RENAME TO publication")
        assert position(connection).seq == 0  # type: ignore[union-attr]
        assert _rows(connection, "FROM materialized") == []
        assert apply(connection, lines).seq == 3


def test_an_unknown_kind_and_a_later_form_of_a_known_kind_are_kept_as_they_stand(tmp_path: Path) -> None:
    facts: list[Fact] = [materialized(), materialized("b"), ("pardoned", {"asset": "a"})]
    session, known, later, strange = _lines(tmp_path, facts)
    later = later._replace(v=2, text=later.text.replace(b'"v":1', b'"v":2'))
    with _index() as connection:
        assert apply(connection, [session, known, later, strange]) == strange.after
        assert _rows(connection, "SELECT asset FROM materialized") == [("a",)]
        kept = _rows(connection, "SELECT seq, by_seq, kind, v, payload->>'asset' FROM other_record ORDER BY seq")
        assert kept == [(3, 1, "materialized", 2, "b"), (4, 1, "pardoned", 1, "a")]
        kinds = _rows(connection, "SELECT kind FROM record ORDER BY seq")
        assert kinds == [("session",), ("materialized",), ("materialized",), ("pardoned",)]


def test_a_record_that_was_pruned_is_passed_over(tmp_path: Path) -> None:
    facts = [failed("a", message="one"), failed("b", message="two"), failed("c", message="three")]
    lines = [line if line.seq not in (2, 4) else line._replace(kind="", text=b"") for line in _lines(tmp_path, facts)]
    with _index() as connection:
        assert apply(connection, lines[:2]).seq == 2
        assert apply(connection, lines) == lines[-1].after
        assert _rows(connection, "SELECT seq, message FROM failure") == [(3, "two")]
        assert _rows(connection, "SELECT seq FROM record ORDER BY seq") == [(1,), (3,)]


def test_a_payload_without_its_members_is_applied_as_far_as_it_goes(tmp_path: Path) -> None:
    kinds = sorted(KINDS)
    assert len(kinds) == 25
    facts: list[Fact] = [(kind, {}) for kind in kinds]
    facts += [("materialized", {"asset": ["a"], "token": "xyz", "rows": "many", "inputs": [["up"]], "columns": "no"})]
    facts += [materialized()]
    with _index() as connection:
        assert apply(connection, _lines(tmp_path, facts)).seq == len(facts) + 1
        assert _rows(connection, "SELECT count(*) FROM materialized") == [(3,)]


def test_a_pointer_names_the_newest_record_of_its_cell_and_version(tmp_path: Path) -> None:
    facts = [
        materialized(version="v", recipe="first"),  # 2
        materialized(version="w", recipe="second"),  # 3
        materialized(version="v", recipe="third"),  # 4
        materialized("b", version="v", recipe="other"),  # 5
        published(("a", None, "v", "k1")),  # 6
        materialized(version="v", recipe="not published"),  # 7
    ]
    query = """SELECT c.version, p.recipe_a, p.checks_version, c.materialized_seq, c.published_seq
        FROM cell AS c JOIN publication AS p USING (published_seq)"""
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
        versions = [_rows(connection, f"SELECT code_version FROM column_lineage_as_of({seq})") for seq in range(1, 11)]
        assert versions == [[]] * 2 + [[("1",)]] * 3 + [[]] * 3 + [[("2",)]] * 2
        apply(connection, _lines(tmp_path, [column_lineage("a", "3", {})]))
        assert _rows(connection, "SELECT * FROM column_lineage") == []
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
        claimed(text, [text, twin], run=text),
        materialized(text, text, run=text, inputs=[(text, 0, 1, digest("x")[:32])], file=text),
        materialized(text, twin, run=text),
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
            "SELECT name, upstream FROM materialization_input": [(text, text)],
            "SELECT run, step, state FROM step": [(text, STEP, "done")],
            "SELECT file FROM cell ORDER BY partition LIMIT 1": [(text or None,)],
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
        found = _rows(
            at_once,
            """SELECT c.asset, c.partition, c.version, c.ordinal, p.recipe_a, p.recipe_b, c.checks_version,
                c.materialized_seq, c.published_seq, c.signature
            FROM cell AS c JOIN publication AS p ON p.asset = c.asset AND p.published_seq = c.published_seq
                AND p.partition IS NOT DISTINCT FROM c.partition""",
        )
        assert len(found) == len(model)
        for asset, partition, version, ordinal, recipe_a, recipe_b, *others in found:
            wanted = model[str(asset), partition]
            recipe = _lanes(str(wanted[2])) if wanted[2] else (None, None)
            assert (version, ordinal, (recipe_a, recipe_b), *others) == (*wanted[:2], recipe, *wanted[3:])
        failures = _rows(at_once, "SELECT asset, partition, seq FROM cell_failure")
        assert {(asset, partition): seq for asset, partition, seq in failures} == failures_by_model(records)
        assert len(tables["run"]) == len({run for run, *_ in tables["run"]})


def test_what_was_read_is_known_alike_however_the_records_come(tmp_path: Path) -> None:
    some = {"up": {"columns": ["a"], "schema": False}}
    facts = [
        materialized("a", f"p{number}", reads=reads) for number, reads in enumerate([some, None, some, some, None])
    ]
    lines = list(_lines(tmp_path, facts))
    found = []
    for portions in ([lines], [[line] for line in lines], [lines[:2], lines[2:]]):
        with _index() as connection:
            for portion in portions:
                apply(connection, portion)
            found.append(connection.sql("SELECT seq, reads IS NULL FROM reading ORDER BY seq").fetchall())
    assert found == [[(2, False), (3, True), (4, False), (6, True)]] * 3
