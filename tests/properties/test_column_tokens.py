"""Does of an upstream exactly that count which a reader asked for: columns, the schema, or the number of rows?"""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assets_core.model.partitions import StaticPartitions
from assets_core.model.reads import ColumnsRead
from assets_core.planning.columns import column_digests
from assets_core.versions.recipe import lanes_text

Column = tuple[str, str, str]
DIGEST = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)).map(lanes_text)
COLUMN = st.tuples(st.sampled_from("abcdef"), st.sampled_from(("int64", "string")), DIGEST)
COLUMNS = st.lists(COLUMN, max_size=5, unique_by=lambda column: column[0])
READS = st.builds(
    lambda names, schema: ColumnsRead(tuple(sorted(names)), schema), st.sets(st.sampled_from("abcdef")), st.booleans()
)


def token(columns: list[Column], reads: ColumnsRead, *, rows: int = 1, key: str = "one") -> tuple[int, int]:
    def counts() -> np.ndarray:
        return np.array([rows], np.int64)

    digests = column_digests(StaticPartitions([key]), np.zeros(1, np.int64))
    digests.put(0, columns, counts)
    lanes = digests.tokens(reads, counts)
    return int(lanes.a[0]), int(lanes.b[0])


@given(COLUMNS, READS, DIGEST)
def test_values_count_of_the_columns_that_are_asked_for(columns: list[Column], reads: ColumnsRead, other: str) -> None:
    for place, (name, kind, digest) in enumerate(columns):
        changed = [*columns[:place], (name, kind, other), *columns[place + 1 :]]
        counts = name in reads.names and digest != other
        assert (token(changed, reads) != token(columns, reads)) == counts


@given(COLUMNS, READS)
def test_types_count_of_the_columns_that_are_asked_for_and_of_all_with_the_schema(
    columns: list[Column], reads: ColumnsRead
) -> None:
    for place, (name, kind, digest) in enumerate(columns):
        changed = [*columns[:place], (name, f"{kind}?", digest), *columns[place + 1 :]]
        assert (token(changed, reads) != token(columns, reads)) == (name in reads.names or reads.with_schema)


@given(COLUMNS, READS, DIGEST)
def test_another_column_counts_with_the_schema_alone(columns: list[Column], reads: ColumnsRead, digest: str) -> None:
    more = [*columns, ("another", "int64", digest)]
    assert (token(more, reads) != token(columns, reads)) == reads.with_schema


@given(COLUMNS, READS, st.data())
def test_the_order_of_columns_counts_with_the_schema_alone(
    columns: list[Column], reads: ColumnsRead, data: st.DataObject
) -> None:
    moved = data.draw(st.permutations(columns))
    assert (token(moved, reads) != token(columns, reads)) == (reads.with_schema and moved != columns)


@given(COLUMNS, READS)
def test_the_number_of_rows_counts_by_itself_where_no_column_is_asked_for(
    columns: list[Column], reads: ColumnsRead
) -> None:
    assert (token(columns, reads, rows=2) != token(columns, reads)) == (not reads.names)


@given(COLUMNS, READS)
def test_the_partition_of_columns_counts(columns: list[Column], reads: ColumnsRead) -> None:
    assert token(columns, reads, key="other") != token(columns, reads)
