"""When is a failed attempt tried again, after how long, and does what is declared of it survive being written down?"""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from assets_core.model.handling import CHECK_FAILED, EXECUTORS, Handling, Retrying, handling_from_json

RETRYING = st.builds(
    Retrying,
    st.integers(0, 100),
    st.floats(0.001, 1e6),
    st.floats(0.001, 1e6),
    st.lists(st.sampled_from(["OSError", "Exception", "TimedOut"])).map(tuple),
)
HANDLING = st.builds(
    Handling,
    executor=st.none() | st.sampled_from(EXECUTORS),
    timeout_seconds=st.none() | st.integers(1, 10**6),
    memory_bytes=st.none() | st.integers(1, 10**12),
    retrying=RETRYING.filter(lambda one: one.limit > 0) | st.just(Retrying()),
    pool=st.none() | st.sampled_from(["warehouse", "api"]),
    weight=st.integers(1, 9),
    concurrency=st.none() | st.integers(1, 9),
    priority=st.integers(-9, 9),
)


@given(HANDLING)
def test_how_cells_are_run_survives_json(handling: Handling) -> None:
    assert handling_from_json(json.loads(json.dumps(handling.to_json()))) == handling


def test_by_default_nothing_is_tried_again() -> None:
    assert Handling().to_json() == {}
    assert not Retrying().wants(1, ["ValueError", "Exception", "BaseException"])


def test_an_attempt_is_tried_again_as_often_as_was_said() -> None:
    kinds = ["ConnectionError", "OSError", "Exception", "BaseException"]
    assert [Retrying(2).wants(attempt, kinds) for attempt in (1, 2, 3)] == [True, True, False]


def test_a_refused_check_is_tried_again_only_where_that_is_said() -> None:
    assert not Retrying(5).wants(1, [CHECK_FAILED])
    assert Retrying(5, on=(CHECK_FAILED,)).wants(1, [CHECK_FAILED])


def test_an_exception_counts_with_those_that_it_is_derived_from() -> None:
    retrying = Retrying(1, on=("OSError",))
    assert retrying.wants(1, ["ConnectionResetError", "ConnectionError", "OSError", "Exception"])
    assert not retrying.wants(1, ["ValueError", "Exception"])


@given(RETRYING, st.integers(1, 10_000), st.floats(0, 1))
def test_a_wait_is_between_half_of_the_backoff_and_all_of_it_and_never_longer_than_the_longest(
    retrying: Retrying, attempt: int, chance: float
) -> None:
    wait = retrying.wait(attempt, chance)
    whole = retrying.wait(attempt, 1.0)
    assert 0 < whole <= retrying.longest_seconds
    assert whole * 0.499 <= wait <= whole
    assert retrying.wait(attempt + 1, 1.0) >= whole
