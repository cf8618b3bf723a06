"""Asset: what is written down is read back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_core.errors import Place
from assets_core.model.asset import Asset, AssetKind, CheckSpec, Edge, HandOff, asset_from_json, assets_from_json
from assets_core.model.checks import Severity
from assets_core.model.keys import AssetKey
from assets_core.model.mapping import AllPartitions, ByDimension, FromDimension, Identity, TimeWindow
from assets_core.model.partitions import DailyPartitions, ProductPartitions, StaticPartitions

texts = st.text(max_size=6)
digests = st.text("0123456789abcdef", min_size=32, max_size=32)
keys = st.sampled_from(["flights", "finance/revenue", "_a/b2"]).map(AssetKey)
days = DailyPartitions("2013-01-01", tz="America/New_York")
partitions = st.sampled_from(
    [None, days, StaticPartitions(["eu", "a|b"]), ProductPartitions(day=days, region=StaticPartitions(["eu", "us"]))]
)
mappings = st.sampled_from(
    [
        Identity(),
        AllPartitions(),
        TimeWindow(last=7, offset=-1),
        ByDimension(day=TimeWindow(), region=AllPartitions()),
        FromDimension("day", Identity()),
    ]
)
edges = st.builds(
    Edge,
    texts,
    keys,
    mappings,
    st.none() | st.lists(texts, max_size=3).map(tuple),
    st.none() | st.sampled_from(HandOff),
    st.booleans(),
    st.booleans(),
)
assets = st.builds(
    Asset,
    key=keys,
    kind=st.sampled_from(AssetKind),
    place=st.builds(Place, texts, st.integers(0, 999)),
    code_version=digests,
    partitions=partitions,
    edges=st.lists(edges, max_size=3).map(tuple),
    checks=st.lists(st.builds(CheckSpec, texts, st.sampled_from(Severity), digests), max_size=2).map(tuple),
    owners=st.lists(texts, max_size=2).map(tuple),
    tags=st.dictionaries(texts, texts, max_size=2),
    group=texts,
    description=texts,
    query=st.none() | texts,
    path=st.none() | texts,
    batch=st.booleans(),
    partition_parameter=st.none() | texts,
    unknown=st.lists(texts, max_size=2).map(tuple),
    parameters=st.dictionaries(texts, st.recursive(texts | st.integers() | st.booleans(), st.lists), max_size=2),
    libraries_not_followed=st.lists(texts, max_size=2).map(tuple),
    expires_after_seconds=st.none() | st.integers(1, 10**9),
)


@settings(deadline=None)
@given(assets)
def test_an_asset_is_read_back_from_its_json(asset: Asset) -> None:
    again = asset_from_json(json.loads(json.dumps(asset.to_json())))
    assert again == asset
    assert json.dumps(again.to_json()) == json.dumps(asset.to_json())


@settings(deadline=None)
@given(st.lists(assets, max_size=4))
def test_assets_that_are_read_back_together_are_those_read_back_alone(some: list[Asset]) -> None:
    documents = json.loads(json.dumps([asset.to_json() for asset in some]))
    together = assets_from_json(documents)
    assert together == [asset_from_json(document) for document in documents] == some
    shared = {asset.partitions: asset.partitions for asset in reversed(together)}
    assert all(asset.partitions is shared[asset.partitions] for asset in together)


def test_kinds_and_hand_offs_are_read_back_as_themselves() -> None:
    edge = Edge("flights", AssetKey("flights"), Identity(), hand_off=HandOff.POLARS_LAZY)
    asset = Asset(
        AssetKey("marts/delays"),
        AssetKind.SQL,
        Place("marts.sql", 3),
        "0" * 32,
        edges=(edge,),
        checks=(CheckSpec("contract", Severity.WARN, "1" * 32),),
    )
    again = asset_from_json(json.loads(json.dumps(asset.to_json())))
    assert again.kind is AssetKind.SQL
    assert again.edges[0].hand_off is HandOff.POLARS_LAZY
    assert again.checks[0].severity is Severity.WARN
    assert again.place == Place("marts.sql", 3)


@pytest.mark.parametrize("kind", AssetKind)
def test_only_an_external_asset_is_external(kind: AssetKind) -> None:
    asset = Asset(AssetKey("flights"), kind, Place("flights.py"), "0" * 32)
    assert asset.is_external == (kind is AssetKind.EXTERNAL)
