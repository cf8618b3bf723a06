"""A normalised query is shown in lines, and says the same in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from loading_project import parts_of, project_with

from assets_core.lineage.sql_columns import normalised
from assets_core.loading.sql_query import in_lines
from assets_core.versions.code_changes import compare

QUERIES = [
    "SELECT 1",
    "FROM prices",
    "SELECT a, b AS c, 'x FROM y, z' FROM t LEFT JOIN u USING (a, b) WHERE a > $least GROUP BY ALL HAVING sum(b) > 1",
    "WITH t AS (SELECT a FROM u WHERE a), v AS (FROM t) SELECT t.a, v.* FROM t NATURAL LEFT JOIN v ORDER BY 1 LIMIT 3",
    "SELECT extract(year FROM d), [1, 2], {'a': 1}, $$ a  FROM b $$ FROM t ASOF JOIN u ON t.a >= u.a UNION ALL FROM v",
    'SELECT "a  FROM b", count(*) FILTER (WHERE x) OVER (PARTITION BY y ORDER BY z) FROM "s/t" FULL JOIN u USING (c)',
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_in_lines_is_the_same_query(query: str) -> None:
    one = normalised(query)
    assert normalised(in_lines(one)) == one
    assert in_lines(one).count("\n") == 0 or all(line.strip() for line in in_lines(one).splitlines())


def test_every_clause_join_and_column_has_a_line() -> None:
    query = "select a, max(b) as b from t left outer join u using (a) where a > 1 and b < 2 group by a order by 1"
    assert in_lines(normalised(query)).splitlines() == [
        "SELECT a ,",
        "  MAX ( b ) AS b",
        "FROM t",
        "LEFT OUTER JOIN u USING ( a )",
        "WHERE a > 1 AND b < 2",
        "GROUP BY a",
        "ORDER BY 1",
    ]


def test_an_edited_condition_shows_as_one_line(tmp_path: Path) -> None:
    query = "SELECT a,  b FROM up -- all\nWHERE a > 1"
    source = "@asset()\ndef up() -> pl.DataFrame: ...\nsql_asset('q', '''QUERY''')\n"
    versions = [query, query.replace(" -- all", "").replace("SELECT", "select"), query.replace("1", "2")]
    parts = []
    for text in versions:
        project = project_with(tmp_path, source.replace("QUERY", text))
        parts.append(project.code_parts(project.graph.assets["q"].key))
    assert parts_of(project, "q", "query") == {"query": "SELECT a ,\n  b\nFROM up\nWHERE a > 2"}
    assert compare(parts[0], parts[1]) == ()
    [change] = compare(parts[0], parts[2])
    assert change.diff()[3:] == [" SELECT a ,", "   b", " FROM up", "-WHERE a > 1", "+WHERE a > 2"]
