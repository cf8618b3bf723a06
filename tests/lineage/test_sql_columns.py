"""What SQL queries read: exact lineage for known queries, and against the engine: what is not read changes nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sql_queries import QUERIES, RATES, SCHEMAS, Sentences

from assets_core.errors import UserError
from assets_core.lineage.sql_columns import column_lineage, influencing_columns, normalised, query_tables


@pytest.mark.parametrize(("sql", "expected"), QUERIES, ids=[sql for sql, _ in QUERIES])
def test_lineage_is_exactly(sql: str, expected: dict[str, str]) -> None:
    marks = {"identity": "", "transformed": "~", "indirect": "?"}
    found: dict[str, str] = {}
    decisive: set[frozenset[str]] = set()
    for column, sources in column_lineage(sql, SCHEMAS).items():
        words = {f"{marks[s.how]}{'o' if s.upstream == 'orders' else 'r'}.{s.column}" for s in sources}
        found[column] = " ".join(sorted(word for word in words if word[0] != "?"))
        decisive.add(frozenset(word[1:] for word in words if word[0] == "?"))
    assert found == {name: text for name, text in expected.items() if name != "?"}
    assert decisive == {frozenset(expected.get("?", "").split())}


@pytest.mark.parametrize(("sql", "expected"), QUERIES, ids=[sql for sql, _ in QUERIES])
def test_columns_read_are_those_of_the_lineage(sql: str, expected: dict[str, str]) -> None:
    words = {word.strip("~") for text in expected.values() for word in text.split()}
    letters = {"o": "orders", "r": "finance/rates"}
    assert influencing_columns(sql, SCHEMAS) == {
        table: {word[2:] for word in words if letters[word[0]] == table} for table in query_tables(sql)
    }


# Against the engine: a database schema with the data as it is, and some for each column, with that column changed

_TYPES = {"moment": "timestamp", "unit": "text", "place": "struct(x int, y int)", "parts": "int[]", "note": "text"}
_ROWS = {"orders": 9, "finance/rates": 7}
_CHANGES = 2


def _value(column: str, draw: random.Random) -> str:
    if draw.random() < 0.1:
        return "NULL"
    match column:
        case "moment":
            return f"'2020-{draw.randint(1, 12):02}-{draw.randint(1, 28):02} 03:04:05'"
        case "unit":
            return draw.choice(["'year'", "'month'", "'day'"])
        case "place":
            return f"{{'x': {draw.randint(0, 3)}, 'y': {draw.randint(0, 3)}}}"
        case "parts":
            return str([draw.randint(0, 3) for _ in range(draw.randint(0, 3))])
        case "note":
            return draw.choice(["""'{"a": [1, 2]}'""", """'{"a": [3]}'""", "'{}'"])
    return str(draw.randint(0, 4))


Run = Callable[[str, str], tuple[list[str], list[Any]] | str]


def _changed(table: str, column: str, way: int) -> str:
    return f"{table[0]}_{column}_{way}"


def _database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    draw = random.Random(7)  # noqa: S311  # data for a test
    data = {
        table: {column: [_value(column, draw) for _ in range(_ROWS[table])] for column, _ in columns}
        for table, columns in SCHEMAS.items()
    }
    ways = [(table, column, way) for table in SCHEMAS for column, _ in SCHEMAS[table] for way in range(_CHANGES)]
    for change in [None, *ways]:
        name = _changed(*change) if change else "unchanged"
        connection.execute(f"create schema {name}; set schema = '{name}'")
        for table, columns in SCHEMAS.items():
            shown = dict(data[table])
            if change is not None and change[0] == table:
                shown[change[1]] = [_value(change[1], draw) for _ in range(_ROWS[table])]
            definition = ", ".join(f"{column} {_TYPES.get(column, 'int')}" for column, _ in columns)
            connection.execute(f'create table "{table}" ({definition})')
            rows = ", ".join(f"({', '.join(row)})" for row in zip(*shown.values(), strict=True))
            connection.execute(f'insert into "{table}" values {rows}')
    return connection


@pytest.fixture(scope="module")
def run() -> Run:
    """Return a function that runs a query on the data, or on the data with one column changed in one of some ways."""
    connection = _database()

    def run(sql: str, name: str) -> tuple[list[str], list[Any]] | str:
        nonlocal connection
        try:
            connection.execute(f"set schema = '{name}'")
            cursor = connection.execute(sql)
            return [column[0] for column in cursor.description or ()], cursor.fetchall()
        except duckdb.FatalException as error:  # a random query can hit a bug of the engine, which then ends
            connection = _database()
            return str(error)
        except duckdb.Error as error:
            return str(error)

    return run


def _prove(run: Run, sql: str) -> bool:
    """Prove that columns which are not read change nothing, and others only the columns that depend on them."""
    result = run(sql, "unchanged")
    if isinstance(result, str):
        return False
    names, rows = result
    read = influencing_columns(sql, SCHEMAS)
    lineage = {
        name: {(source.upstream, source.column) for source in sources}
        for name, sources in column_lineage(sql, SCHEMAS).items()
    }
    for table, column in [(table, column) for table, columns in SCHEMAS.items() for column, _ in columns]:
        for change in range(_CHANGES):
            changed = run(sql, _changed(table, column, change))
            if column not in read.get(table, ()):
                assert changed == (names, rows), f"{table}.{column} changes the result of {sql}"
            elif not isinstance(changed, str) and changed[0] == names:
                for at, name in enumerate(names):
                    if (table, column) not in lineage.get(name, set()) | lineage.get("*", set()):
                        same = [row[at] for row in rows] == [row[at] for row in changed[1]]
                        assert same, f"{table}.{column} changes column {name} of {sql}"
    return True


@pytest.mark.parametrize("sql", [sql for sql, _ in QUERIES if "$" not in sql or "$.a" in sql])
def test_a_column_that_is_not_read_changes_nothing(run: Run, sql: str) -> None:
    assert _prove(run, sql), run(sql, "unchanged")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_no_random_query_depends_on_a_column_that_it_is_not_said_to_read(run: Run, seed: int) -> None:
    sql, _ = Sentences(random.Random(seed)).query(2, {})  # noqa: S311  # a query for a test
    _prove(run, sql)


def test_tables_are_named_in_order_of_appearance_without_common_table_expressions() -> None:
    sql = """
        with recent as (select * from finance.revenue), orders as (select * from "Orders"), rec as (from rec)
        select * from recent join x using (k) where exists (from "a b/c") and 1 in (select k from finance.revenue)
    """
    assert query_tables(sql) == ("finance/revenue", "Orders", "rec", "x", "a b/c")


def test_a_recursive_query_does_not_read_itself() -> None:
    assert query_tables("with recursive c as (select k from t union all select k + 1 from c) from c") == ("t",)


def test_a_common_table_expression_is_not_seen_before_it_stands() -> None:
    assert query_tables("with a as (from b), b as (select 1) select * from a, b") == ("b",)


def test_table_functions_are_no_tables() -> None:
    assert query_tables("from range(3), unnest([1]) u(x), read_csv('f.csv')") == ()


@pytest.mark.parametrize(
    ("sql", "message", "remedy"),
    [
        ("select a\nfrom t\nwhere (", "line 3, column 7", "correct it"),
        ("selec a from t", "line 1, column 9: this word is not expected: 'from'", "correct it"),
        ("select a, 'b\nfrom t", "line 1, column 11: a quote", "correct it"),
        ("select 1; select 2", "2 statements", "exactly one"),
        ("-- nothing", "0 statements", "exactly one"),
        ("drop table t", "DROP is not a query", "write one SELECT"),
        ("create table t as select 1", "CREATE is not a query", "write one SELECT"),
        ("with x as (insert into t values (1) returning *) from x", "INSERT is not a query", "write one SELECT"),
        ("describe t", "DESCRIBE is not a query", "write one SELECT"),
        ("select " + "(" * 9000 + "1" + ")" * 9000, "nested too deeply", "correct it"),
    ],
)
def test_what_is_not_one_query_is_refused_with_its_place(sql: str, message: str, remedy: str) -> None:
    for read in (query_tables, normalised):
        with pytest.raises(UserError) as caught:
            read(sql)
        assert message in caught.value.what
        assert remedy in caught.value.remedy


def test_a_table_without_known_columns_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(UserError, match=r"'ordrs', whose columns are not known \(did you mean 'orders'\?\)"):
        column_lineage("select a from ordrs", SCHEMAS)


def test_a_thousand_conditions_are_no_obstacle() -> None:
    sql = "select k from orders where " + " or ".join(f"a = {n}" for n in range(1500))
    assert influencing_columns(sql, SCHEMAS) == {"orders": {"a", "k"}}


def test_names_of_tables_and_columns_ignore_case_and_are_given_as_declared() -> None:
    lineage = column_lineage("select R.V, A as Total from Finance.Rates r", SCHEMAS)
    assert list(lineage) == ["v", "Total"]
    assert [source.upstream for source in lineage["Total"]] == ["finance/rates"]


def test_a_function_that_may_read_any_table_reads_everything() -> None:
    lineage = column_lineage(f"select q.x, k from {RATES}, query_table('finance/rates') q", SCHEMAS)
    assert {source.column for source in lineage["k"]} == {"k", "v", "a"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select a from t", "SELECT  a\n  FROM t -- the table\n;"),
        ("select sum(a)::int from t group   by b", "/* x */ Select SUM ( a ) :: INT From t GROUP BY b"),
        ("select a+b*2 from t where d>=$p", "select a + b * 2 from t where d >= $p"),
    ],
)
def test_layout_comments_and_the_case_of_keywords_do_not_change_the_text(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select 'a' from t", "select 'A' from t"),
        ("select 'a  b' from t", "select 'a b' from t"),
        ("select 1 from t", "select 2 from t"),
        ("select a as b from t", "select a as B from t"),
        ('select a as "date" from t', 'select a as "Date" from t'),
        ("select a as Date from t", "select a as date from t"),
        ("select 0x1F from t", "select 0 x1F from t"),
        ("select a from t where b = $one", "select a from t where b = $two"),
        ("select a from t", "select a from u"),
        ("select a - -b from t", "select a + b from t"),
        ("select '--' from t", "select '' from t"),
    ],
)
def test_what_can_matter_changes_the_text(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@pytest.mark.parametrize("sql", [sql for sql, _ in QUERIES])
def test_the_canonical_text_means_the_same(sql: str, run: Run) -> None:
    text = normalised(sql)
    assert normalised(text) == text
    assert run(text, "unchanged") == run(sql, "unchanged")
    assert column_lineage(text, SCHEMAS) == column_lineage(sql, SCHEMAS)
