"""Does a run take in what is asked of it, and only that, whatever form another version gives it?"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_core.execution.steering import KIND, Steering
from catalog.records import Line

RUN = "00000000-0000-4000-8000-000000000001"
VALUES = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=3) | st.just([1])
)


def line(payload: dict[str, object], version: int = 1) -> Line:
    record = {"seq": 1, "at": "", "by": 1, "kind": KIND, "v": version, "payload": payload}
    return Line(seq=1, kind=KIND, v=version, text=json.dumps(record).encode(), digest=b"", segment="", end=0)


def asked(*wishes: dict[str, object]) -> Steering:
    steering = Steering(RUN)
    steering.learn([line({"run": RUN, **wish}) for wish in wishes])
    return steering


def test_the_last_wish_counts() -> None:
    assert asked({"action": "pause"}, {"action": "resume"}, {"action": "pause"}).paused
    assert not asked({"action": "pause"}, {"action": "resume"}).paused
    assert asked({"action": "cancel"}, {"action": "resume"}).cancelled
    assert asked({"action": "concurrency", "value": 3}, {"action": "concurrency", "value": 2}).concurrency == 2


@pytest.mark.parametrize("value", [0, -1, True, 2.5, "many", None, [2]])
def test_what_is_no_number_of_steps_changes_nothing(value: object) -> None:
    assert asked({"action": "concurrency", "value": 4}, {"action": "concurrency", "value": value}).concurrency == 4


def test_wishes_of_other_runs_and_of_other_versions_are_passed_over() -> None:
    steering = Steering(RUN)
    steering.learn([line({"run": "another", "action": "cancel"}), line({"run": RUN, "action": "cancel"}, version=2)])
    assert steering == Steering(RUN)


@given(st.dictionaries(st.sampled_from(["run", "action", "value", "more"]), VALUES | st.just(RUN)))
def test_no_payload_can_end_a_run_by_its_form(payload: dict[str, object]) -> None:
    steering = Steering(RUN)
    steering.learn([line(payload)])
    assert steering == Steering(RUN)
