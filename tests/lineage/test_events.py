"""From records to OpenLineage events: valid by the public schemas, one start and one end each, nothing unpublished."""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from event_schemas import facets, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import ValidationError
from lineage_facts import (
    DAYS,
    DELAYS_LINEAGE,
    QUERY,
    SESSION,
    Fact,
    claimed,
    day,
    declarations,
    declared,
    failed,
    judged,
    lineage,
    made,
    materialized,
    observed,
    published,
    run_ended,
    run_id,
    run_started,
    step_id,
    story,
    version,
)

from assets_core.lineage.events import JOURNAL_FACET, EventMapper
from catalog.records import Record

Event = dict[str, Any]
FIRST = DAYS.ordinal(day(0))


def _mapper() -> EventMapper:
    return EventMapper("flights project", "assets-core://flights project")


def _records(facts: Sequence[Fact], session: dict[str, object] = SESSION) -> list[Record]:
    found = [Record(1, "2026-01-31T08:00:00.000000Z", 1, "session", 1, dict(session))]
    for seq, (kind, payload) in enumerate(facts, 2):
        found.append(Record(seq, f"2026-01-31T08:00:{seq % 60:02}.000000Z", 1, kind, 1, payload))
    return found


def _events(facts: Sequence[Fact], session: dict[str, object] = SESSION) -> list[Event]:
    mapper = _mapper()
    return [event for record in _records(facts, session) for event in mapper.feed(record)]


def _short(event: Event) -> str:
    names = {run_id(run): f"run {run}" for run in range(5)}
    names.update({step_id(step, run): f"step {step}" for step in range(10) for run in range(5)})
    return f"{event['eventType']} {event['job']['name']} {names[event['run']['runId']]}"


def _end(facts: Sequence[Fact]) -> Event:
    """Return the last event of a step that declarations and these facts give rise to."""
    return [event for event in _events([*declarations(), run_started(1), *facts]) if event["eventType"] != "START"][-1]


def _keys(condition: dict[str, Any]) -> list[str]:
    return [partition["identifier"] for partition in condition["partitions"]]


def test_every_event_and_every_facet_is_valid_by_its_schema() -> None:
    events = _events(story())
    for event in events:
        validate(event)
    assert {name for event in events for _, name, _ in facets(event)} == {
        *("parent", "nominalTime", "processing_engine", "errorMessage", "test", JOURNAL_FACET),
        *("jobType", "ownership", "tags", "documentation", "sourceCodeLocation", "sql"),
        *("schema", "version", "columnLineage", "dataQualityAssertions", "outputStatistics", "subset"),
    }


def test_the_validator_of_these_tests_refuses_what_is_wrong() -> None:
    event = _end(made(1, 1, "delays", day(0)))
    for path, value in (
        (("eventTime",), "yesterday"),
        (("eventType",), "DONE"),
        (("run", "runId"), 7),
        (("run", "facets", "nominalTime", "nominalStartTime"), "2013"),
        (("outputs", 0, "outputFacets", "outputStatistics", "rowCount"), "many"),
        (("outputs", 0, "outputFacets", "subset", "outputCondition", "type"), "all"),
    ):
        wrong = copy.deepcopy(event)
        place: Any = wrong
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        with pytest.raises(ValidationError):
            validate(wrong)
    wrong = copy.deepcopy(event)
    wrong["run"]["facets"]["sql"] = wrong["job"]["facets"]["sql"]
    with pytest.raises(AssertionError, match="does not belong"):
        validate(wrong)


def test_the_story_is_told_in_order() -> None:
    assert [_short(event) for event in _events(story())] == [
        "START assets backfill run 1",
        "START flights step 1",
        "COMPLETE flights step 1",
        "START delays step 2",
        "START delays step 3",
        "COMPLETE delays step 2",
        "COMPLETE delays step 3",
        "START regions step 4",
        "COMPLETE regions step 4",
        "START report step 5",
        "COMPLETE report step 5",
        "COMPLETE assets backfill run 1",
        "START assets backfill run 2",
        "START flights step 6",
        "FAIL flights step 6",
        "FAIL assets backfill run 2",
        "START assets backfill run 3",
        "START flights step 7",
        "START report step 8",
        "ABORT flights step 7",
        "ABORT report step 8",
        "ABORT assets backfill run 3",
        "START assets backfill run 4",
        "START delays step 9",
        "COMPLETE delays step 9",
        "COMPLETE assets backfill run 4",
    ]


def test_events_carry_the_number_of_their_record_and_count_within_it() -> None:
    numbers = [event["run"]["facets"][JOURNAL_FACET] for event in _events(story())]
    places = [(number["seq"], number["event"]) for number in numbers]
    assert places == sorted(set(places))
    kinds = {record.seq: record.kind for record in _records(story())}
    assert {kinds[seq] for seq, _ in places} == {"run_started", "claimed", "published", "failed", "run_ended"}


def test_nothing_is_declared_before_it_is_published() -> None:
    mapper = _mapper()
    for record in _records([*declarations(), run_started(1), *made(1, 1, "flights", day(0))]):
        events = mapper.feed(record)
        assert all(not event["outputs"] for event in events) or record.kind == "published"
    assert [output["name"] for output in events[0]["outputs"]] == ["flights"]


def test_a_step_on_one_cell_says_what_it_read_and_made() -> None:
    facts = [
        lineage("delays", DELAYS_LINEAGE),
        *made(1, 1, "flights", day(0)),
        *made(1, 2, "delays", day(0), inputs=[("flights", FIRST, FIRST + 1)], columns=("day", "delay", "n")),
    ]
    event = _end(facts)
    (source,), (output,) = event["inputs"], event["outputs"]
    assert source["namespace"] == output["namespace"] == "assets-core://flights project"
    assert (source["name"], output["name"]) == ("flights", "delays")
    assert source["facets"]["version"]["datasetVersion"] == version("flights", day(0))
    assert _keys(source["inputFacets"]["subset"]["inputCondition"]) == [day(0)]
    assert output["facets"]["version"]["datasetVersion"] == version("delays", day(0))
    assert _keys(output["outputFacets"]["subset"]["outputCondition"]) == [day(0)]
    statistics = output["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"], statistics["fileCount"]) == (10, 1000, 1)
    assert [field["name"] for field in output["facets"]["schema"]["fields"]] == ["day", "delay", "n"]
    nominal = event["run"]["facets"]["nominalTime"]
    assert nominal["nominalStartTime"] == "2013-01-01T00:00:00-05:00"
    assert nominal["nominalEndTime"] == "2013-01-02T00:00:00-05:00"


def test_column_lineage_tells_what_decides_the_rows_once_for_the_dataset() -> None:
    facts = [lineage("delays", DELAYS_LINEAGE), *made(1, 1, "delays", day(0), columns=("day", "delay", "count_star()"))]
    found = _end(facts)["outputs"][0]["facets"]["columnLineage"]

    def words(fields: list[Event]) -> list[str]:
        kinds = [" ".join(field["transformations"][0].values()) for field in fields]
        return [f"{field['name']}.{field['field']} {kind}" for field, kind in zip(fields, kinds, strict=True)]

    assert words(found["dataset"]) == ["flights.day INDIRECT", "flights.delay INDIRECT"]
    assert {column: words(one["inputFields"]) for column, one in found["fields"].items()} == {
        "day": ["flights.day DIRECT IDENTITY"],
        "delay": ["flights.delay DIRECT TRANSFORMATION"],
        "count_star()": [],
    }


def test_what_decides_only_some_columns_stays_with_them() -> None:
    partial = {"day": [["flights", "day", "identity"], ["flights", "delay", "indirect"]], "delay": []}
    found = _end([lineage("delays", partial), *made(1, 1, "delays", day(0))])["outputs"][0]["facets"]["columnLineage"]
    assert found["dataset"] == []
    assert [field["field"] for field in found["fields"]["day"]["inputFields"]] == ["day", "delay"]
    assert found["fields"]["delay"]["inputFields"] == []


def test_newer_column_lineage_replaces_older() -> None:
    facts = [
        lineage("delays", {"*": [["flights", "old", "transformed"]]}),
        *made(1, 1, "delays", day(0)),
        lineage("delays", {"*": [["flights", "new", "transformed"]]}),
        *made(1, 2, "delays", day(1)),
    ]
    text = json.dumps(_end(facts))
    assert '"new"' in text
    assert '"old"' not in text


def test_a_batch_is_one_output_that_lists_its_partitions_and_adds_up() -> None:
    cells = [day(0), day(1), day(2)]
    facts = [
        claimed(1, 1, "flights", cells),
        *(materialized(1, 1, "flights", key, rows=10 + n) for n, key in enumerate(cells)),
        published(1, *(("flights", key) for key in cells)),
    ]
    event = _end(facts)
    (output,) = event["outputs"]
    assert _keys(output["outputFacets"]["subset"]["outputCondition"]) == cells
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 33
    assert output["outputFacets"]["outputStatistics"]["fileCount"] == 3
    text = "".join(f"{key}\0{version('flights', key)}\n" for key in cells)
    assert output["facets"]["version"]["datasetVersion"] == blake3(text.encode()).hexdigest()
    assert event["run"]["facets"]["nominalTime"]["nominalStartTime"] == "2013-01-01T00:00:00-05:00"
    assert event["run"]["facets"]["nominalTime"]["nominalEndTime"] == "2013-01-04T00:00:00-05:00"


def test_a_step_ends_with_its_last_cell_in_whichever_records_they_settle() -> None:
    begun = [claimed(1, 1, "flights", [day(0), day(1), day(2)])]
    for key in (day(2), day(0)):
        begun += [materialized(1, 1, "flights", key), published(1, ("flights", key))]
        assert _short(_events([*declarations(), run_started(1), *begun])[-1]).startswith("START")
    end = _end([*begun, materialized(1, 1, "flights", day(1)), published(1, ("flights", day(1)))])
    assert _keys(end["outputs"][0]["outputFacets"]["subset"]["outputCondition"]) == [day(2), day(0), day(1)]


def test_a_batch_that_fails_in_part_fails_and_declares_only_what_was_published() -> None:
    facts = [
        claimed(1, 1, "flights", [day(0), day(1), day(2)]),
        materialized(1, 1, "flights", day(0)),
        failed(1, 1, "flights", day(1)),
        materialized(1, 1, "flights", day(2)),
        failed(1, 1, "flights", day(2), "disk full"),
        published(1, ("flights", day(0))),
    ]
    event = _end(facts)
    assert event["eventType"] == "FAIL"
    assert _keys(event["outputs"][0]["outputFacets"]["subset"]["outputCondition"]) == [day(0)]
    assert event["outputs"][0]["facets"]["version"]["datasetVersion"] == version("flights", day(0))
    error = event["run"]["facets"]["errorMessage"]
    assert error["message"].splitlines() == [
        "flights@2013-01-02: FileNotFoundError: no such file",
        "flights@2013-01-03: FileNotFoundError: disk full",
    ]
    assert error["programmingLanguage"] == "PYTHON"
    assert error["stackTrace"].endswith("no such file")


def test_a_failed_run_says_how_many_cells_failed() -> None:
    event = _events([*declarations(), run_started(1), run_ended(1, "failed")])[-1]
    assert event["eventType"] == "FAIL"
    assert event["run"]["facets"]["errorMessage"]["message"] == "2 cells failed, 3 were blocked"


@pytest.mark.parametrize("state", ["interrupted", "failed"])
def test_the_end_of_a_run_ends_the_steps_that_it_left_open_and_no_other(state: str) -> None:
    facts = [
        *declarations(),
        run_started(1),
        run_started(2),
        claimed(1, 1, "flights", [day(0)]),
        claimed(2, 2, "flights", [day(1)]),
        claimed(1, 3, "flights", [day(2), day(3)]),
        failed(1, 3, "flights", day(2)),
        run_ended(1, state),
        *made(2, 2, "flights", day(1))[1:],
    ]
    ends = [_short(event) for event in _events(facts) if event["eventType"] != "START"]
    run_end = {"interrupted": "ABORT", "failed": "FAIL"}[state]
    assert ends == [
        "ABORT flights step 1",
        "FAIL flights step 3",
        f"{run_end} assets backfill run 1",
        "COMPLETE flights step 2",
    ]


def test_the_parent_of_a_step_is_its_run_and_so_is_the_root() -> None:
    parent = _end(made(1, 1, "flights", day(0)))["run"]["facets"]["parent"]
    assert parent["run"] == parent["root"]["run"] == {"runId": run_id(1)}
    assert parent["job"] == parent["root"]["job"] == {"namespace": "flights project", "name": "assets backfill"}


def test_a_step_starts_when_it_says_and_ends_when_its_end_is_recorded() -> None:
    start, end = _events([*declarations(), run_started(1), *made(1, 1, "flights", day(0))])[1:]
    assert start["run"]["runId"] == end["run"]["runId"] == step_id(1)
    assert start["eventTime"] == "2026-01-31T07:59:59.250000Z"
    assert end["eventTime"].startswith("2026-01-31T08:00:")


def test_job_and_dataset_carry_what_the_definition_says() -> None:
    event = _end(made(1, 1, "delays", day(0)))
    job, dataset = event["job"]["facets"], event["outputs"][0]["facets"]
    for found in (job, dataset):
        assert [owner["name"] for owner in found["ownership"]["owners"]] == ["team:data", "user:ada"]
        assert found["tags"]["tags"] == [{"key": "tier", "value": "gold", "source": "USER"}]
        assert found["documentation"]["description"] == "what delays is"
    assert job["sql"]["query"] == QUERY
    assert job["sourceCodeLocation"]["path"] == "project/delays.sql"
    assert job["sourceCodeLocation"]["version"] == f"{SESSION['commit']}-dirty"
    assert event["run"]["facets"]["processing_engine"]["version"] == "0.1.0"


def test_without_a_commit_the_place_in_the_code_still_validates() -> None:
    facts = [*declarations(), run_started(1), claimed(1, 1, "flights", [day(0)])]
    event = _events(facts, SESSION | {"commit": None, "dirty": None})[-1]
    place = event["job"]["facets"]["sourceCodeLocation"]
    assert place["url"] == "file:project/my%20assets.py#L12"
    assert "version" not in place
    validate(event)


def test_a_new_definition_counts_from_its_record_on() -> None:
    facts = [
        *declarations(),
        run_started(1),
        *made(1, 1, "report", None),
        declared("report", description="another", owners=[]),
        *made(1, 2, "report", None),
    ]
    old, new = [event["outputs"][0]["facets"] for event in _events(facts) if event["eventType"] == "COMPLETE"]
    assert (old["documentation"]["description"], new["documentation"]["description"]) == ("what report is", "another")
    assert "ownership" in old
    assert "ownership" not in new


def _condition(*spans: tuple[int, int]) -> Any:
    event = _end(made(1, 1, "report", None, inputs=[("delays", FIRST + low, FIRST + high) for low, high in spans]))
    (dataset,) = event["inputs"]
    assert "version" not in dataset["facets"]
    return dataset["inputFacets"]["subset"]["inputCondition"]


def test_up_to_a_month_of_partitions_read_is_listed() -> None:
    assert _keys(_condition((0, 7))) == [day(number) for number in range(7)]
    assert len(_keys(_condition((0, 31)))) == 31
    assert _keys(_condition((0, 2), (1, 3), (5, 6))) == [day(0), day(1), day(2), day(5)]


def test_more_partitions_are_given_by_the_first_and_last_of_each_span() -> None:
    def bound(comparison: str, number: int) -> dict[str, Any]:
        field, literal = {"type": "field", "field": "partition"}, {"type": "literal", "value": day(number)}
        return {"type": "compare", "comparison": comparison, "left": field, "right": literal}

    def span(low: int, high: int) -> dict[str, Any]:
        left, right = bound("GREATER_EQUAL_THAN", low), bound("LESS_EQUAL_THAN", high)
        return {"type": "binary", "operator": "AND", "left": left, "right": right}

    assert _condition((0, 40)) == span(0, 39)
    both = {"type": "binary", "operator": "OR", "left": span(0, 39), "right": span(50, 89)}
    assert _condition((0, 40), (50, 90)) == both


def test_partitions_of_a_product_are_given_by_dimension() -> None:
    key = f"{day(0)}|east\\|coast"
    subset = _end(made(1, 1, "regions", key))["outputs"][0]["outputFacets"]["subset"]
    assert subset["outputCondition"]["partitions"] == [
        {"identifier": key, "dimensions": {"day": day(0), "region": "east|coast"}}
    ]


def test_an_external_asset_that_is_read_comes_with_its_observed_version_and_description() -> None:
    facts = [
        observed(1, "landing/weather", "etag 1"),
        observed(1, "landing/weather", "etag 2"),
        *made(1, 1, "flights", day(0), inputs=[("weather", 0, 1)]),
    ]
    (dataset,) = _end(facts)["inputs"]
    assert dataset["name"] == "landing/weather"
    assert dataset["facets"]["version"]["datasetVersion"] == "etag 2"
    assert dataset["facets"]["documentation"]["description"] == "hourly weather"
    assert "inputFacets" not in dataset


def test_a_version_published_after_a_step_had_read_is_not_said_to_be_read() -> None:
    before = [*declarations(), run_started(1), *made(1, 1, "flights", day(0))]
    read = {"inputs": [("flights", FIRST, FIRST + 1)], "position": len(before)}
    stale = _events([*before, *made(1, 2, "delays", day(0), **read)])[-1]["inputs"][0]
    exact = _events([*before, *made(1, 2, "delays", day(0), **(read | {"position": len(before) + 1}))])[-1]["inputs"][0]
    assert "version" not in stale["facets"]
    assert exact["facets"]["version"]["datasetVersion"] == version("flights", day(0))


def test_checks_are_assertions_on_the_output_and_tests_of_the_run_without_the_failing_values() -> None:
    begun, stored, moved = made(1, 1, "flights", day(0))
    checks = [judged(1, 1, "flights", day(0)), judged(1, 1, "flights", day(0), "sane", passed=False, severity="warn")]
    event = _end([begun, stored, *checks, moved])
    assertions = event["outputs"][0]["facets"]["dataQualityAssertions"]["assertions"]
    where = {"params": {"partition": day(0)}}
    assert assertions == [
        {"assertion": "contract", "success": True, "severity": "error", "name": "contract", **where},
        {
            "assertion": "sane",
            "success": False,
            "severity": "warn",
            "name": "sane",
            "description": "2 rows have no delay",
            "actual": "2",
            **where,
        },
        {"assertion": "not_null", "success": False, "column": "delay", "severity": "warn", "name": "sane", **where},
    ]
    tests = event["run"]["facets"]["test"]["tests"]
    assert [(test["name"], test["status"], test["severity"]) for test in tests] == [
        ("contract", "pass", "error"),
        ("sane", "fail", "warn"),
    ]
    assert "SECRET" not in json.dumps(event)


def test_a_cell_that_a_check_refuses_is_no_output_but_its_checks_are_told() -> None:
    begun, stored, _ = made(1, 1, "flights", day(0))
    event = _end([begun, stored, judged(1, 1, "flights", day(0), passed=False), failed(1, 1, "flights", day(0))])
    assert event["eventType"] == "FAIL"
    assert event["outputs"] == []
    assert event["run"]["facets"]["test"]["tests"][0]["status"] == "fail"


def test_judging_again_reads_the_asset_and_makes_nothing() -> None:
    facts = [claimed(1, 1, "delays", [day(0)]), judged(1, 1, "delays", day(0)), published(1, ("delays", day(0)))]
    event = _end(facts)
    assert event["eventType"] == "COMPLETE"
    assert event["outputs"] == []
    (dataset,) = event["inputs"]
    assert dataset["name"] == "delays"
    assert dataset["facets"]["version"]["datasetVersion"] == version("delays", day(0))
    assert dataset["inputFacets"]["dataQualityAssertions"]["assertions"][0]["success"] is True
    assert _keys(dataset["inputFacets"]["subset"]["inputCondition"]) == [day(0)]
    validate(event)


def test_evidence_and_kinds_of_the_future_give_rise_to_no_event() -> None:
    facts: list[Fact] = [
        ("skipped", {"run": run_id(1), "asset": "delays", "cells": [day(0)]}),
        ("blocked", {"run": run_id(1), "asset": "delays", "cells": [day(0)], "reason": "flights failed"}),
        ("approved", {"anything": 1}),
        observed(1, "landing/weather", "etag"),
        published(1, ("flights", day(9))),
    ]
    assert _events([*declarations(), *facts]) == []
    mapper = _mapper()
    assert mapper.feed(Record(1, "2026-01-31T08:00:00.000000Z", 1, "run_started", 2, {"other": "form"})) == []


def test_a_journal_that_begins_in_the_middle_is_told_with_what_is_known() -> None:
    for event in _events(made(1, 1, "delays", day(0), inputs=[("flights", FIRST, FIRST + 1)])):
        validate(event)
        assert "sourceCodeLocation" in event["job"]["facets"]


def test_partitions_that_no_longer_fit_leave_out_what_cannot_be_said() -> None:
    facts = [
        declared("flights", partitions={"kind": "static", "keys": ["only"]}),
        declared("delays", [("flights", "flights")], partitions={"kind": "of the future"}),
        *made(1, 1, "delays", day(0), inputs=[("flights", FIRST, FIRST + 1)]),
    ]
    event = _end(facts)
    assert "nominalTime" not in event["run"]["facets"]
    assert "inputFacets" not in event["inputs"][0]
    validate(event)


def test_a_mapper_that_resumes_goes_on_as_if_it_had_never_stopped() -> None:
    records = _records(story())
    for stop in range(len(records) + 1):
        whole, first, second = _mapper(), _mapper(), _mapper()
        for record in records[:stop]:
            whole.pass_over(record)
            first.pass_over(record)
        second.resume(json.loads(json.dumps(first.to_json())))
        for record in records[stop:]:
            assert second.feed(record) == whole.feed(record)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 6), state=st.sampled_from(["done", "failed", "interrupted"]))
def test_however_steps_interleave_each_begins_once_and_ends_once(seed: int, steps: int, state: str) -> None:
    draw = random.Random(seed)  # noqa: S311  # an order for a test
    waiting: list[list[Fact]] = []
    good: dict[str, set[str]] = {}
    days = iter(range(100))
    for step in range(steps):
        cells = [day(next(days)) for _ in range(draw.randint(1, 3))]
        facts = [claimed(1, step, "flights", cells)]
        for cell in cells:
            end = draw.choice(["published", "failed", "open"])
            if end == "published":
                facts += [materialized(1, step, "flights", cell), published(1, ("flights", cell))]
                good.setdefault(step_id(step), set()).add(cell)
            elif end == "failed":
                facts.append(failed(1, step, "flights", cell))
        waiting.append(facts)
    order: list[Fact] = []
    while any(waiting):
        order.append(draw.choice([facts for facts in waiting if facts]).pop(0))
    events = _events([*declarations(), run_started(1), *order, run_ended(1, state)])
    for run in [run_id(1), *(step_id(step) for step in range(steps))]:
        kinds = [event["eventType"] for event in events if event["run"]["runId"] == run]
        assert len(kinds) == 2
        assert kinds[0] == "START"
        assert kinds[1] in ("COMPLETE", "FAIL", "ABORT")
    told = {
        event["run"]["runId"]: set(_keys(output["outputFacets"]["subset"]["outputCondition"]))
        for event in events
        for output in event["outputs"]
    }
    assert told == good


def test_an_event_costs_less_than_sixty_microseconds() -> None:
    columns = [f"column_{number}" for number in range(20)]
    facts = [*declarations(), lineage("delays", {"*": [["flights", "day", "indirect"]]}), run_started(1)]
    for number in range(300):
        checked = [*made(1, number, "delays", day(number), inputs=[("flights", FIRST, FIRST + 7)], columns=columns)]
        facts += [*checked[:2], judged(1, number, "delays", day(number)), checked[2]]
    records = _records(facts)
    best = float("inf")
    for _ in range(7):
        mapper = _mapper()
        begin = time.thread_time()
        count = sum(len(mapper.feed(record)) for record in records)
        best = min(best, (time.thread_time() - begin) / count)
    assert best < 60e-6


def test_the_copied_schemas_are_those_that_facets_name() -> None:
    copied = {file.name for file in (Path(__file__).parent / "schemas" / "facets").iterdir()}
    named = {facet["_schemaURL"].partition("#")[0] for event in _events(story()) for _, _, facet in facets(event)}
    assert copied == {url.rpartition("/")[2] for url in named if url.startswith("https://openlineage.io/")}
