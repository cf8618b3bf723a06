"""Addresses: asset keys, cells, and the keys of products."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_core.errors import SelectionError
from assets_core.model.keys import AssetKey, Cell, PartitionKey, asset_key, cell, join_dimensions, split_dimensions

WORDS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}(/[A-Za-z_][A-Za-z0-9_]{0,5}){0,2}", fullmatch=True)


@pytest.mark.parametrize("text", ["flights", "finance/revenue", "_a/b2/C3"])
def test_words_joined_by_slashes_are_an_asset_key(text: str) -> None:
    assert asset_key(text) == text


@pytest.mark.parametrize("text", ["", "a/", "/a", "a//b", "2a", "a-b", "a b", "a@b", "a\n", "a/2", "é", "a.b", "*"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SelectionError) as refused:
        asset_key(text)
    assert repr(text) in refused.value.what
    assert "finance/revenue" in refused.value.remedy


@settings(deadline=None)
@given(WORDS, st.none() | st.text(min_size=1))
def test_a_cell_is_read_back_from_its_text(asset: str, partition: str | None) -> None:
    written = Cell(AssetKey(asset), None if partition is None else PartitionKey(partition))
    assert cell(str(written)) == written


def test_a_partition_may_hold_the_sign_that_divides() -> None:
    assert cell("users@a@b") == Cell(AssetKey("users"), PartitionKey("a@b"))


@pytest.mark.parametrize(("text", "remedy"), [("users@", "users alone"), ("@2013", "finance/revenue")])
def test_half_a_cell_is_refused(text: str, remedy: str) -> None:
    with pytest.raises(SelectionError) as refused:
        cell(text)
    assert remedy in refused.value.remedy


def test_cells_sort_by_asset_and_partition_also_where_an_asset_has_gained_partitions() -> None:
    ordered = [cell("a"), cell("a@1"), cell("a@2"), cell("b"), cell("b@0")]
    shuffled = [ordered[position] for position in (3, 1, 4, 0, 2)]
    assert sorted(shuffled) == ordered


@settings(deadline=None)
@given(st.lists(st.text(alphabet="ab|\\ é", max_size=6) | st.text(), min_size=1, max_size=4))
def test_the_keys_of_dimensions_are_read_back(keys: list[str]) -> None:
    assert split_dimensions(join_dimensions(tuple(keys))) == tuple(keys)


pairs = st.tuples(*[st.text(alphabet="a|\\", max_size=3)] * 2)


@settings(deadline=None)
@given(pairs, pairs)
def test_different_dimensions_have_different_keys(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (join_dimensions(one) == join_dimensions(other)) == (one == other)


def test_plain_keys_stay_readable() -> None:
    assert join_dimensions(("2013-01-31", "eu")) == "2013-01-31|eu"
    assert join_dimensions(("a|b", "c\\d")) == r"a\|b|c\\d"
