"""What a query reads, to the column: of known queries, and against the engine: the rest may change as it likes."""

from __future__ import annotations

import random

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from read_queries import NASTY, TABLES, LooseSentences

from assets_core.io.inputs import only_columns
from assets_core.lineage.sql_columns import query_tables
from assets_core.lineage.sql_reads import QueryReads, columns_read
from assets_core.model.reads import ColumnsRead

_ROWS = {"t": 8, "u": 6, "w": 5}
_NEW_NAMES = ("k", "a", "b", "c", "d", "e", "x", "t", "u", "w", "s", "r", "q", "v", "z", "y", "z2", "a_1", "k_1", "n")

Result = tuple[list[str], list[str]] | None


def schemas(query: str) -> dict[str, tuple[str, ...]]:
    names = query_tables(query)
    return {name: TABLES[name.lower()] for name in names}


@pytest.mark.parametrize(("query", "expected"), NASTY, ids=[query for query, _ in NASTY])
def test_a_query_reads_exactly(query: str, expected: dict[str, str]) -> None:
    found = {
        table.lower(): "*" if read is None else " ".join([*read.names, *(["+"] if read.with_schema else [])])
        for table, read in columns_read(query, schemas(query)).items()
    }
    assert found == (expected or dict.fromkeys(found, "*"))


def numbers(rows: int, draw: random.Random) -> pa.Array:
    return pa.array([None if draw.random() < 0.1 else draw.randint(0, 3) for _ in range(rows)], pa.int64())


def run(connection: duckdb.DuckDBPyConnection, query: str, tables: dict[str, pa.Table]) -> Result:
    """Return the names and rows of a query, in the order in which its rows are kept; None where it fails."""
    for name, table in tables.items():
        connection.register(name, table)
    try:
        cursor = connection.execute(f"select * from ({query}) order by all")
        return [column[0] for column in cursor.description or ()], [repr(row) for row in cursor.fetchall()]
    except duckdb.FatalException:
        raise
    except duckdb.Error:
        return None


def changed(table: pa.Table, read: ColumnsRead, draw: random.Random) -> pa.Table:
    """Return a table in which all has changed that is not read."""
    arrays = {name: table[name] if name in read.names else numbers(len(table), draw) for name in table.schema.names}
    if read.with_schema:
        return pa.table(arrays)
    for name in arrays.keys() - set(read.names):
        if draw.random() < 0.3:
            arrays[name] = pa.array([str(draw.random())] * len(table))
    places = list(arrays.items())
    for name in draw.sample(_NEW_NAMES, 4):
        if name not in arrays and name not in dict(places):
            new = pa.array([{one: draw.randint(5, 9) for one in ("k", "a", "b", "d")}] * len(table))
            value = new if draw.random() < 0.4 else pa.array([draw.randint(5, 9)] * len(table))
            places.insert(draw.randint(0, len(places)), (name, value))
    return pa.table([value for _, value in places], names=[name for name, _ in places])


def prove(connection: duckdb.DuckDBPyConnection, query: str, draw: random.Random) -> bool:
    """Prove that what is not read bears on nothing, not even by being there; tell whether there was something."""
    names = query_tables(query)
    tables = {name: pa.table({column: numbers(_ROWS[name], draw) for column in TABLES[name]}) for name in _ROWS}
    reads = columns_read(query, schemas(query))
    closed = {name: read for name, read in reads.items() if read is not None}
    result = run(connection, query, tables)
    if result is None or not closed:
        return False
    for _ in range(2):
        others = {name: changed(tables[name], read, draw) for name, read in closed.items()}
        assert run(connection, query, tables | others) == result, (query, reads)
    only = {name: only_columns(tables[name], read.names) for name, read in closed.items()}
    assert run(connection, query, tables | only) == result, (query, reads)
    assert set(reads) == set(names)
    return any(set(read.names) < set(TABLES[name]) for name, read in closed.items())


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


@pytest.mark.parametrize("query", [query for query, _ in NASTY])
def test_what_a_nasty_query_does_not_read_changes_nothing(engine: duckdb.DuckDBPyConnection, query: str) -> None:
    for seed in range(3):
        prove(engine, query.replace(" T", " t").replace("-- select b", ""), random.Random(seed))  # noqa: S311


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**40))
def test_what_a_random_query_does_not_read_changes_nothing(engine: duckdb.DuckDBPyConnection, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    query, _ = LooseSentences(draw).query(2, {})
    prove(engine, query, draw)


def test_a_query_is_read_anew_where_its_tables_have_other_columns() -> None:
    remembered = QueryReads()
    query = "select a, (select max(k) from u) as top from t"
    first, second = (pa.schema([(name, pa.int64()) for name in names]) for names in ("ab", "abk"))
    other = pa.schema([("k", pa.int64())])
    assert remembered.of(query, {"t": first, "u": other})["t"] == ColumnsRead(("a",), False)
    assert remembered.of(query, {"t": second, "u": pa.schema([("d", pa.int64())])})["t"] == ColumnsRead(
        ("a", "k"), False
    )
    again = remembered.of(query, {"t": pa.schema(list(first)), "u": other})
    assert again is remembered.of(query, {"t": first, "u": other})


def test_a_thousand_conditions_are_no_obstacle() -> None:
    query = "select k from t where " + " or ".join(f"a = {n}" for n in range(1500))
    assert columns_read(query, {"t": TABLES["t"]}) == {"t": ColumnsRead(("a", "k"), False)}


def test_what_cannot_be_read_reads_everything() -> None:
    for query in ("selec a from t", "select a from unknown", "describe t", "select z from t"):
        assert columns_read(query, {"t": TABLES["t"]}) == {"t": None}
