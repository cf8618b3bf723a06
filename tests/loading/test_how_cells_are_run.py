"""Is what a definition says of how it is run read, and is every mistake in it told with its remedy?"""

from __future__ import annotations

from pathlib import Path

import pytest
from loading_project import project_with

from assets_core.errors import DefinitionErrors
from assets_core.model.handling import Handling, Retrying

POOLS = "[pools]\nwarehouse = 2\n"


def test_how_an_asset_is_run_is_read_and_is_no_part_of_its_code(tmp_path: Path) -> None:
    source = """
        from assets_core import Retries
        @asset(ARGUMENTS)
        def up() -> pl.DataFrame: ...
    """
    plain = project_with(tmp_path, source.replace("ARGUMENTS", ""), POOLS).graph.assets["up"]
    arguments = (
        'executor="processes", retries=Retries(3, wait="10s", longest=timedelta(minutes=2), on=[OSError, "Busy"]),'
        ' timeout="10m", memory="1.5 GB", pool="warehouse", weight=2, concurrency=4, priority=-1'
    )
    told = project_with(tmp_path, source.replace("ARGUMENTS", arguments), POOLS).graph.assets["up"]
    assert plain.handling == Handling()
    assert told.code_version == plain.code_version
    assert told.handling == Handling(
        executor="processes",
        timeout_seconds=600,
        memory_bytes=1_500_000_000,
        retrying=Retrying(3, 10, 120, ("OSError", "Busy")),
        pool="warehouse",
        weight=2,
        concurrency=4,
        priority=-1,
    )


def test_a_query_says_it_in_its_header(tmp_path: Path) -> None:
    query = """
        /* asset
        retries = 2
        timeout = "90s"
        pool = "warehouse"
        */
        SELECT 1 AS one
    """
    handling = project_with(tmp_path, "", POOLS, q=query).graph.assets["q"].handling
    assert handling == Handling(timeout_seconds=90, retrying=Retrying(2), pool="warehouse")


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        ('executor="thread"', "executor='thread' (did you mean 'threads'?)", "threads, processes"),
        ('pool="warehose"', "there is no pool 'warehose' (did you mean 'warehouse'?)", "[pools] warehose = 2"),
        ('pool="warehouse", weight=3', "weight=3, but pool 'warehouse' has 2 slots", "never start"),
        ("weight=2", "weight=2 without a pool", "pool=..."),
        ("retries=-1", "retries=-1", "from 0"),
        ("retries=True", "retries=True", "a whole number"),
        ('timeout="soon"', "timeout='soon'", '"24h"'),
        ('memory="2 apples"', "memory='2 apples'", '"2 GB"'),
        ("concurrency=0", "concurrency=0", "from 1"),
        ('priority="high"', "priority='high'", "a whole number"),
        ("retry=3", "there is no retry= (did you mean 'retries'?)", "use executor"),
        ("retries=Retries(2, on=OSError)", "on=<class 'OSError'>", "on=["),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_remedy(
    tmp_path: Path, arguments: str, what: str, remedy: str
) -> None:
    source = f"from assets_core import Retries\n@asset({arguments})\ndef up() -> pl.DataFrame: ...\n"
    with pytest.raises(DefinitionErrors) as caught:
        _ = project_with(tmp_path, source, POOLS).graph
    [error] = caught.value.errors
    assert error.what.startswith(f"up: {what}")
    assert remedy in error.remedy
    assert error.place.line > 0


def test_pools_and_executors_in_the_settings_are_checked(tmp_path: Path) -> None:
    settings = '[run]\nexecutor = "cluster"\n[pools]\nnone = 0\n"a/b" = 1\n'
    with pytest.raises(DefinitionErrors) as caught:
        project_with(tmp_path, "", settings)
    assert sorted(error.what for error in caught.value.errors) == [
        "[pools] 'a/b' = 1",
        "[pools] 'none' = 0",
        "[run] executor = 'cluster'",
    ]
