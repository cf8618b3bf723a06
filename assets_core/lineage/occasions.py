"""What the journal has told of runs, steps and cells so far, and which of it calls for an event.

Owned by `events.py`, which turns occasions into events. All of it can be written down as JSON, so that a later process
goes on from there. It must not know OpenLineage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from catalog.records import Record

_VERSIONS_KEPT = 200_000
_SESSIONS_KEPT = 10_000
_ENDS = {"done": "COMPLETE", "failed": "FAIL", "interrupted": "ABORT", "cancelled": "ABORT"}

Payload = dict[str, Any]

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has begun; `product` and `commit` are those of the process that runs it, None where not known."""

    run: str
    kind: str
    product: str | None
    commit: str | None
    dirty: bool


@dataclass(slots=True)
class Step:
    """A step that has begun and what became of its cells so far; `waiting` are those not settled.

    `made`, `judged` and `failed` hold the payloads of the records, `published` the partition keys in order.
    """

    run: Run
    number: int
    asset: str
    started_at: str
    cells: Sequence[str | None]
    waiting: set[str | None]
    made: dict[str | None, Payload] = field(default_factory=dict)
    judged: list[Payload] = field(default_factory=list)
    failed: list[Payload] = field(default_factory=list)
    published: list[str | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Occasion:
    """A reason for an event: a run, or a step of it, enters a state of OpenLineage, perhaps because of errors."""

    state: str
    run: Run
    step: Step | None = None
    errors: Sequence[str] = ()


class Story:
    """Takes in records in order; `declared` and `lineage` hold the newest payloads by asset."""

    def __init__(self) -> None:
        self.declared: dict[str, Payload] = {}
        self.lineage: dict[str, Payload] = {}
        self._sessions: dict[int, Payload] = {}
        self._runs: dict[str, Run] = {}
        self._steps: dict[tuple[str, int], Step] = {}
        self._claims: dict[tuple[str, str, str | None], Step] = {}
        self._versions: dict[tuple[str, str | None], tuple[str, int]] = {}

    def version(self, asset: str, partition: str | None, position: int) -> str | None:
        """Return the version of a cell as of a position in the journal; None where a newer one was published since.

        The newest 200,000 cells are remembered, and perhaps some more.
        """
        version, seq = self._versions.get((asset, partition), ("", 0))
        return version if version and seq <= position else None

    def take(self, record: Record) -> list[Occasion]:
        """Take in the next record; return the occasions it gives rise to. Unknown kinds and forms give rise to none."""
        payload = record.payload
        if record.v != 1:
            return []
        match record.kind:
            case "session":
                _remember(self._sessions, record.seq, payload, _SESSIONS_KEPT)
            case "declared":
                self.declared[payload["asset"]] = payload
            case "withdrawn":
                self.declared.pop(payload["asset"], None)
            case "column_lineage":
                self.lineage[payload["asset"]] = payload["columns"]
            case "observed":
                cell = (payload["asset"], payload["partition"])
                _remember(self._versions, cell, (payload["version"], record.seq), _VERSIONS_KEPT)
            case "run_started":
                run = self._runs[payload["run"]] = self._begin(payload["run"], payload["kind"], record.by)
                return [Occasion("START", run)]
            case "claimed":
                return [self._claim(payload, *step, by=record.by) for step in payload["steps"]]
            case "materialized":
                if step := self._steps.get((payload["run"], payload["step"])):
                    step.made[payload["partition"]] = payload
            case "judged":
                if step := self._steps.get((payload["run"], payload["step"])):
                    step.judged.append(payload)
            case "published":
                return self._publish(payload, record.seq)
            case "rolled_back":
                for asset, partition, version in payload["cells"]:
                    _remember(self._versions, (asset, partition), (version, record.seq), _VERSIONS_KEPT)
            case "failed" | "attempt_failed":
                if step := self._steps.get((payload["run"], payload["step"])):
                    step.failed.append(payload)
                    return self._settle([(step, payload["partition"])])
            case "run_ended":
                return self._end(payload, record.by)
        return []

    def _begin(self, run: str, kind: str, by: int) -> Run:
        session = self._sessions.get(by, {})
        return Run(run, kind, session.get("product"), session.get("commit"), bool(session.get("dirty")))

    def _run(self, run: str, by: int) -> Run:
        return self._runs.get(run) or self._begin(run, "materialize", by)

    def _claim(self, payload: Payload, number: int, asset: str, cells: list[str | None], *, by: int) -> Occasion:
        step = Step(self._run(payload["run"], by), number, asset, payload["started_at"], cells, set(cells))
        self._open(step)
        return Occasion("START", step.run, step)

    def _open(self, step: Step) -> None:
        self._steps[step.run.run, step.number] = step
        self._claims.update(((step.run.run, step.asset, cell), step) for cell in step.cells)

    def _close(self, step: Step) -> None:
        self._steps.pop((step.run.run, step.number), None)
        for cell in step.cells:
            self._claims.pop((step.run.run, step.asset, cell), None)

    def _publish(self, payload: Payload, seq: int) -> list[Occasion]:
        settled: list[tuple[Step, str | None]] = []
        for asset, partition, version, _ in payload["cells"]:
            _remember(self._versions, (asset, partition), (version, seq), _VERSIONS_KEPT)
            if step := self._claims.get((payload["run"], asset, partition)):
                step.published.append(partition)
                settled.append((step, partition))
        return self._settle(settled)

    def _settle(self, cells: Iterable[tuple[Step, str | None]]) -> list[Occasion]:
        """Return the ends of the steps of which the last cell has settled."""
        ended: list[Occasion] = []
        for step, partition in cells:
            step.waiting.discard(partition)
            if not step.waiting:
                self._close(step)
                ended.append(_ending(step, "COMPLETE"))
        return ended

    def _end(self, payload: Payload, by: int) -> list[Occasion]:
        ended: list[Occasion] = []
        for step in [step for step in self._steps.values() if step.run.run == payload["run"]]:
            self._close(step)
            ended.append(_ending(step, "ABORT"))
        state = _ENDS.get(payload["state"], "OTHER")
        errors = [f"{payload['failed']} cells failed, {payload['blocked']} were blocked"] if state == "FAIL" else []
        ended.append(Occasion(state, self._run(payload["run"], by), None, errors))
        self._runs.pop(payload["run"], None)
        return ended

    def to_json(self) -> Payload:
        """Return all that is known as JSON values; `story_from_json` is the inverse."""
        return {
            "declared": self.declared,
            "lineage": self.lineage,
            "sessions": list(self._sessions.items()),
            "runs": [[run.run, run.kind, run.product, run.commit, run.dirty] for run in self._runs.values()],
            "steps": [
                {
                    "run": [step.run.run, step.run.kind, step.run.product, step.run.commit, step.run.dirty],
                    "number": step.number,
                    "asset": step.asset,
                    "started_at": step.started_at,
                    "cells": list(step.cells),
                    "waiting": [cell for cell in step.cells if cell in step.waiting],
                    "made": list(step.made.values()),
                    "judged": step.judged,
                    "failed": step.failed,
                    "published": step.published,
                }
                for step in self._steps.values()
            ],
            "versions": [[*cell, *version] for cell, version in self._versions.items()],
        }


def story_from_json(document: Mapping[str, Any]) -> Story:
    """Return the story that `Story.to_json` wrote."""
    story = Story()
    story.declared, story.lineage = document["declared"], document["lineage"]
    story._sessions = dict(document["sessions"])
    story._runs = {run[0]: Run(*run) for run in document["runs"]}
    story._versions = {(asset, partition): (version, seq) for asset, partition, version, seq in document["versions"]}
    for one in document["steps"]:
        run = story._runs.get(one["run"][0]) or Run(*one["run"])
        step = Step(run, one["number"], one["asset"], one["started_at"], one["cells"], set(one["waiting"]))
        step.made = {made["partition"]: made for made in one["made"]}
        step.judged, step.failed, step.published = one["judged"], one["failed"], one["published"]
        story._open(step)
    return story


def _ending(step: Step, state: str) -> Occasion:
    errors = [_failure(one) for one in step.failed]
    return Occasion("FAIL" if errors else state, step.run, step, errors)


def _failure(failed: Payload) -> str:
    cell = failed["asset"] if failed["partition"] is None else f"{failed['asset']}@{failed['partition']}"
    return f"{cell}: {failed['error']}: {failed['message']}"


def _remember(known: dict[_Key, _Value], key: _Key, value: _Value, limit: int) -> None:
    """Set a value as the newest, and let go of the oldest where there are a tenth more than `limit`.

    Of a dict whose first members were deleted it takes long to find the first: so many are let go of at a time.
    """
    known.pop(key, None)
    known[key] = value
    if len(known) > limit + limit // 10:
        for oldest in list(islice(known, len(known) - limit)):
            del known[oldest]
