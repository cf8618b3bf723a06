"""What a function's annotations ask for beside the data: that an input may be missing, that a cell goes out of date."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from loading_project import project_with

from assets_core.errors import DefinitionErrors, UserError
from assets_core.loading.durations import seconds_of
from assets_core.model.asset import HandOff

UP = """
@asset()
def up() -> pl.DataFrame: ...
"""


@pytest.mark.parametrize(
    ("annotation", "optional", "by_partition"),
    [
        ("pl.DataFrame", False, False),
        ("pl.DataFrame | None", True, False),
        ("None | pl.DataFrame", True, False),
        ("Optional[pl.DataFrame]", True, False),
        ("'pl.DataFrame | None'", True, False),
        ("Annotated[pl.DataFrame | None, Upstream('up')]", True, False),
        ("Annotated[pl.DataFrame, Upstream('up')] | None", True, False),
        ("Annotated[pl.DataFrame, Upstream('up')]", False, False),
        ("Mapping[str, pl.DataFrame]", True, True),
        ("Mapping[str, pl.DataFrame] | None", True, True),
    ],
)
def test_an_input_that_may_be_none_or_an_empty_mapping_is_optional(
    tmp_path: Path, annotation: str, optional: bool, by_partition: bool
) -> None:
    project = project_with(tmp_path, f"{UP}\n@asset()\ndef down(up: {annotation}) -> pl.DataFrame: ...\n")
    [edge] = project.graph.assets["down"].edges
    assert (edge.optional, edge.by_partition, edge.hand_off) == (optional, by_partition, HandOff.POLARS)
    assert edge.upstream == "up"


def test_to_accept_none_counts_as_code(tmp_path: Path) -> None:
    versions = {
        project_with(tmp_path, f"{UP}\n@asset()\ndef down(up: {annotation}) -> pl.DataFrame: ...\n")
        .graph.assets["down"]
        .code_version
        for annotation in ("pl.DataFrame", "pl.DataFrame | None", "Optional[pl.DataFrame]")
    }
    assert len(versions) == 2


@pytest.mark.parametrize(
    "annotation", ["pl.DataFrame | pl.LazyFrame", "pl.DataFrame | pl.LazyFrame | None", "str | pl.DataFrame"]
)
def test_an_annotation_of_several_hand_offs_is_refused(tmp_path: Path, annotation: str) -> None:
    project = project_with(tmp_path, f"{UP}\n@asset()\ndef down(up: {annotation}) -> pl.DataFrame: ...\n")
    with pytest.raises(DefinitionErrors) as caught:
        _ = project.graph
    assert "says nothing about how to hand data over" in caught.value.errors[0].what


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600), ("1d12h", 129_600), ("1d 12h", 129_600),
     ("45 s", 45), (timedelta(hours=1), 3600), (timedelta(days=400), 34_560_000)],
)  # fmt: skip
def test_a_duration_has_a_number_of_seconds(duration: object, seconds: int) -> None:
    assert seconds_of("expires_after", duration) == seconds


@pytest.mark.parametrize("duration", ["", "h", "24", "24 hours", "1.5h", "0h", "-1h", "1h,", timedelta(0), 24, None])
def test_what_is_no_duration_is_refused(duration: object) -> None:
    with pytest.raises(UserError, match="expires_after"):
        seconds_of("expires_after", duration)


def test_an_expiry_is_of_the_asset_and_not_of_its_code(tmp_path: Path) -> None:
    source = "@asset(ARGUMENTS)\ndef up() -> pl.DataFrame: ...\nsql_asset('q', 'FROM up', ARGUMENTS)\n"
    assets = [
        project_with(tmp_path, source.replace("ARGUMENTS", arguments)).graph.assets
        for arguments in ("", "expires_after='24h'", "expires_after=timedelta(days=7)")
    ]
    for key in ("up", "q"):
        assert [each[key].expires_after_seconds for each in assets] == [None, 86_400, 604_800]
        assert len({each[key].code_version for each in assets}) == 1


def test_a_wrong_expiry_is_an_error_at_its_asset_alone(tmp_path: Path) -> None:
    source = "@asset(expires_after='soon')\ndef up() -> pl.DataFrame: ...\nsql_asset('q', 'FROM up')\n"
    with pytest.raises(DefinitionErrors) as caught:
        _ = project_with(tmp_path, source).graph
    [error] = caught.value.errors
    assert error.what == "up: expires_after='soon'"
    assert '"24h"' in error.remedy
