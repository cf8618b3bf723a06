"""Do records of cells that were found fresh, and of keys that come and go, end in the tables that they should?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from catalog_facts import (
    RUN,
    SESSION,
    Fact,
    declared,
    digest,
    found_fresh,
    materialized,
    partitions_added,
    partitions_removed,
    published,
    skipped,
    skipped_ranges,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.apply import apply, create_tables
from catalog.journal import Journal
from catalog.queries import load
from catalog.segments import read_lines

KEYS = st.lists(st.sampled_from(["a", "b", "ü|x", "..", ""]), max_size=4)
CHANGES = st.lists(
    st.one_of(
        st.builds(lambda keys: partitions_added("s", *keys), KEYS),
        st.builds(lambda keys: partitions_removed("s", *keys), KEYS),
        st.builds(lambda keys: partitions_added("t", *keys), KEYS),
    ),
    max_size=8,
)


@contextmanager
def _index(folder: Path, facts: list[Fact], cut: int = 0) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield an index of the facts, applied in two pieces."""
    Journal(folder, SESSION).append(facts)
    lines = list(read_lines(folder))
    with closing(duckdb.connect(":memory:")) as connection:
        create_tables(connection)
        apply(connection, lines[:cut])
        apply(connection, lines[cut:])
        yield connection


def _sets(connection: duckdb.DuckDBPyConnection, position: int) -> dict[str, tuple[list[str], int]]:
    rows = connection.sql(load("partition_sets"), params={"position": position}).fetchall()
    return {name: (keys, generation) for name, keys, generation in rows}


def _sets_by_model(facts: list[Fact], position: int) -> dict[str, tuple[list[str], int]]:
    """Return the sets record by record; the session's is number 1."""
    found: dict[str, tuple[list[str], int]] = {}
    for seq, (kind, payload) in enumerate(facts[: position - 1], 2):
        keys, generation = found.get(payload["set"], ([], 0))
        for key in payload["keys"]:
            if kind == "partitions_added" and key not in keys:
                keys = [*keys, key]
            elif kind == "partitions_removed" and key in keys:
                keys, generation = [known for known in keys if known != key], seq
        if keys or generation:
            found[payload["set"]] = keys, generation
    return found


@given(facts=CHANGES, data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_keys_of_a_set_are_those_of_the_records_as_of_every_position(
    tmp_path_factory: pytest.TempPathFactory, facts: list[Fact], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(facts) + 1))
    with _index(tmp_path_factory.mktemp("journal"), [*facts, ("pardoned", {})], cut) as connection:
        for position in range(1, len(facts) + 3):
            assert _sets(connection, position) == _sets_by_model(facts, position)


def test_a_key_that_is_removed_and_added_again_is_two_rows(tmp_path: Path) -> None:
    facts = [
        partitions_added("shops", "x", "y"),  # 2
        partitions_added("shops", "y", "z"),  # 3
        partitions_removed("shops", "x", "nobody"),  # 4
        partitions_added("shops", "x"),  # 5
    ]
    with _index(tmp_path, facts) as connection:
        assert connection.sql("FROM partition_key ORDER BY added_seq, place").fetchall() == [
            ("shops", "x", 0, 2, 4),
            ("shops", "y", 1, 2, None),
            ("shops", "z", 1, 3, None),
            ("shops", "x", 0, 5, None),
        ]
        assert _sets(connection, 5) == {"shops": (["y", "z", "x"], 4)}
        told = connection.sql("SELECT kind, text FROM event WHERE kind LIKE 'partitions%' ORDER BY seq").fetchall()
        assert told == [
            ("partitions_added", "partitions shops gained 2 keys: x ..."),
            ("partitions_added", "partitions shops gained 1 keys: z"),
            ("partitions_removed", "partitions shops lost 1 keys: x"),
            ("partitions_added", "partitions shops gained 1 keys: x"),
        ]


def test_ten_million_fresh_cells_are_a_row_and_say_what_was_compared(tmp_path: Path) -> None:
    facts = [
        found_fresh(("a", [(0, 9_999_999)]), ("b", [(1, 1), (3, 4)])),  # 2
        skipped_ranges("a", (5, 5), (7, 8)),  # 3
        skipped("a", ["old", None]),  # 4: as it was written before
    ]
    with _index(tmp_path, facts) as connection:
        rows: list[tuple[Any, ...]] = connection.sql('SELECT * EXCLUDE ("at") FROM skip ORDER BY ALL').fetchall()
        assert rows == [
            (2, RUN, "a", "p0", "p9999999", "daily", 0, 9_999_999, True),
            (2, RUN, "b", "p1", "p1", "daily", 1, 1, True),
            (2, RUN, "b", "p3", "p4", "daily", 3, 4, True),
            (3, RUN, "a", "p5", "p5", "daily", 5, 5, False),
            (3, RUN, "a", "p7", "p8", "daily", 7, 8, False),
            (4, RUN, "a", "old", "old", None, None, None, False),
            (4, RUN, "a", None, None, None, None, None, False),
        ]
        sums = int(digest("recipes")[:16], 16), int(digest("recipes")[16:32], 16)
        compared = connection.sql("FROM comparison ORDER BY ALL").fetchall()
        assert compared == [
            (2, "a", 1, digest("code of a")[:32], 10_000_000, *sums),
            (2, "b", 1, digest("code of b")[:32], 3, *sums),
            (3, "a", 1, digest("code of a")[:32], 3, *sums),
        ]
        read = int(digest("u")[:16], 16), int(digest("u")[16:32], 16)
        assert connection.sql("FROM comparison_input").fetchall() == [(3, "a", "up", "u", 0, 9, *read)]
        texts = connection.sql("SELECT kind, partition, text FROM event WHERE seq > 1 ORDER BY ALL").fetchall()
        assert ("found_fresh", "p0", "and those up to p9999999, 10000000 cells, were found fresh") in texts
        assert ("skipped", "old", "was found fresh") in texts


def test_an_input_names_the_key_that_had_the_number_when_it_was_read(tmp_path: Path) -> None:
    def made(key: str, ordinal: int, scheme: str) -> list[Fact]:
        return [materialized("a", key, key, ordinal=ordinal, scheme=scheme), published(("a", key, key, None))]

    def total(version: str, count: int, position: int) -> Fact:
        read = [("a", 0, count, digest("read")[:32])]
        return materialized("total", None, version, scheme="", inputs=read, position=position)

    facts = [
        declared("total", [("a", "a")]),  # 2
        partitions_added("shops", "x", "y", "z"),  # 3
        *made("x", 0, "dynamic shops 0"),  # 4, 5
        *made("y", 1, "dynamic shops 0"),  # 6, 7
        *made("z", 2, "dynamic shops 0"),  # 8, 9
        total("first", 3, 9),  # 10
        partitions_removed("shops", "x"),  # 11
        total("second", 2, 11),  # 12: no cell was made under the new numbers
        partitions_added("shops", "x", "w"),  # 13
        *made("w", 3, "dynamic shops 11"),  # 14, 15
        total("third", 4, 15),  # 16
    ]
    with _index(tmp_path, facts) as connection:
        rows = connection.sql("SELECT seq, list_sort(list(upstream_partition)) FROM input GROUP BY seq ORDER BY seq")
        assert rows.fetchall() == [(10, ["x", "y", "z"]), (12, ["y", "z"]), (16, ["w", "x", "y", "z"])]
