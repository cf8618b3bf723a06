"""OpenLineage events (spec 2-0-2) of a run and its steps, made from the records of the journal.

Fed by `relay.py` with every record in order. A step ends when all of its cells have settled, and declares as outputs
only what was published. It must not touch a disk or a network; the events share parts, so nobody may change one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from blake3 import blake3

from catalog.journal import Record

from .. import __version__
from .definitions import Definition, Span
from .facets import PRODUCER, RUN_EVENT, Json, assertions, facet, tests

JOURNAL_FACET = "assetsCore_journal"

_VERSIONS_KEPT = 200_000
_SESSIONS_KEPT = 10_000
_ENDS = {"done": "COMPLETE", "failed": "FAIL", "interrupted": "ABORT"}

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

CellAddress = tuple[str, str | None]
"""Asset and partition key."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that has begun, with the run facets that its events and those of its steps share."""

    run: str
    job: Json
    engine: Json
    parent: Json
    commit: str | None
    dirty: bool


@dataclass(slots=True)
class _Step:
    """A step that has begun and what became of its cells so far; `waiting` are those not settled, in order."""

    run: _Run
    step: str
    asset: str
    started_at: str
    cells: Sequence[str | None]
    waiting: dict[str | None, None]
    made: dict[str | None, Json] = field(default_factory=dict)
    judged: list[Json] = field(default_factory=list)
    failed: list[Json] = field(default_factory=list)
    published: list[str | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Occasion:
    """A reason for an event: a run, or a step of it, enters a state."""

    state: str
    run: _Run
    step: _Step | None = None
    errors: Sequence[str] = ()


class EventMapper:
    """Turns records into events. `namespace` is that of jobs, `dataset_namespace` that of datasets."""

    def __init__(self, namespace: str, dataset_namespace: str) -> None:
        self._namespace = namespace
        self._datasets = dataset_namespace
        self._sessions: dict[int, Json] = {}
        self._declared: dict[str, Json] = {}
        self._lineage: dict[str, Json] = {}
        self._definitions: dict[str, Definition] = {}
        self._runs: dict[str, _Run] = {}
        self._steps: dict[str, _Step] = {}
        self._claims: dict[tuple[str, str, str | None], _Step] = {}
        self._versions: dict[CellAddress, tuple[str, int]] = {}

    def feed(self, record: Record) -> list[Json]:
        """Take in the next record; return the events it gives rise to, each with its `seq` in a facet of its run."""
        return [self._event(occasion, record, position) for position, occasion in enumerate(self._take(record))]

    def pass_over(self, record: Record) -> None:
        """Take in the next record, whose events were delivered before."""
        self._take(record)

    def _take(self, record: Record) -> list[_Occasion]:
        payload = record.payload
        if record.v != 1:
            return []
        match record.kind:
            case "session":
                _remember(self._sessions, record.seq, payload, _SESSIONS_KEPT)
            case "declared":
                self._declared[payload["asset"]] = payload
                self._definitions.pop(payload["asset"], None)
            case "withdrawn":
                self._declared.pop(payload["asset"], None)
                self._definitions.pop(payload["asset"], None)
            case "column_lineage":
                self._lineage[payload["asset"]] = payload["columns"]
                self._definitions.pop(payload["asset"], None)
            case "observed":
                cell = (payload["asset"], payload["partition"])
                _remember(self._versions, cell, (payload["version"], record.seq), _VERSIONS_KEPT)
            case "run_started":
                run = self._runs[payload["run"]] = self._begin(payload["run"], payload["kind"], record.by)
                return [_Occasion("START", run)]
            case "claimed":
                return [_Occasion("START", self._run(payload["run"], record.by), self._claim(payload, record.by))]
            case "materialized":
                if step := self._steps.get(payload["step"]):
                    step.made[payload["partition"]] = payload
            case "judged":
                if step := self._steps.get(payload["step"]):
                    step.judged.append(payload)
            case "published":
                return self._publish(payload, record.seq)
            case "failed":
                if step := self._steps.get(payload["step"]):
                    step.failed.append(payload)
                    return self._settle([(step, payload["partition"])])
            case "run_ended":
                return self._end(payload, record.by)
        return []

    def _run(self, run: str, by: int) -> _Run:
        return self._runs.get(run) or self._begin(run, "materialize", by)

    def _begin(self, run: str, kind: str, by: int) -> _Run:
        """Return a run, its job named for the command; no asset key has a blank, so that no two jobs share a name."""
        session = self._sessions.get(by, {})
        job = {"namespace": self._namespace, "name": f"assets {kind}"}
        address = {"run": {"runId": run}, "job": job}
        job_type = facet("JobTypeJobFacet", processingType="BATCH", integration="ASSETS_CORE", jobType="RUN")
        engine = facet(
            "ProcessingEngineRunFacet",
            version=session.get("product", __version__),
            name="assets-core",
            openlineageAdapterVersion=__version__,
        )
        return _Run(
            run,
            {**job, "facets": {"jobType": job_type}},
            engine,
            facet("ParentRunFacet", **address, root=address),
            session.get("commit"),
            bool(session.get("dirty")),
        )

    def _claim(self, payload: Json, by: int) -> _Step:
        run, asset, cells = self._run(payload["run"], by), payload["asset"], payload["cells"]
        step = _Step(run, payload["step"], asset, payload["started_at"], cells, dict.fromkeys(cells))
        self._steps[step.step] = step
        self._claims.update(((run.run, asset, cell), step) for cell in cells)
        return step

    def _publish(self, payload: Json, seq: int) -> list[_Occasion]:
        settled: list[tuple[_Step, str | None]] = []
        for asset, partition, version, _ in payload["cells"]:
            _remember(self._versions, (asset, partition), (version, seq), _VERSIONS_KEPT)
            if step := self._claims.get((payload["run"], asset, partition)):
                step.published.append(partition)
                settled.append((step, partition))
        return self._settle(settled)

    def _settle(self, cells: Iterable[tuple[_Step, str | None]]) -> list[_Occasion]:
        """Return the ends of the steps of which the last cell has settled."""
        ended: list[_Occasion] = []
        for step, partition in cells:
            step.waiting.pop(partition, None)
            if not step.waiting:
                self._forget(step)
                errors = [_failure(one) for one in step.failed]
                ended.append(_Occasion("FAIL" if errors else "COMPLETE", step.run, step, errors))
        return ended

    def _forget(self, step: _Step) -> None:
        self._steps.pop(step.step, None)
        for cell in step.cells:
            self._claims.pop((step.run.run, step.asset, cell), None)

    def _end(self, payload: Json, by: int) -> list[_Occasion]:
        ended: list[_Occasion] = []
        for step in [step for step in self._steps.values() if step.run.run == payload["run"]]:
            self._forget(step)
            errors = [_failure(one) for one in step.failed]
            ended.append(_Occasion("FAIL" if errors else "ABORT", step.run, step, errors))
        state = _ENDS.get(payload["state"], "OTHER")
        errors = [f"{payload['failed']} cells failed, {payload['blocked']} were blocked"] if state == "FAIL" else []
        ended.append(_Occasion(state, self._run(payload["run"], by), None, errors))
        self._runs.pop(payload["run"], None)
        return ended

    def _definition(self, asset: str) -> Definition:
        found = self._definitions.get(asset)
        if found is None:
            found = self._definitions[asset] = Definition(self._declared.get(asset), self._lineage.get(asset))
        return found

    def _event(self, occasion: _Occasion, record: Record, position: int) -> Json:
        run, step = occasion.run, occasion.step
        facets: Json = {"processing_engine": run.engine}
        at, name, job = record.at, run.run, run.job
        inputs: list[Json] = []
        outputs: list[Json] = []
        if step is not None:
            definition = self._definition(step.asset)
            name = step.step
            job_facets = definition.job_facets(run.commit, dirty=run.dirty)
            job = {"namespace": self._namespace, "name": step.asset, "facets": job_facets}
            facets["parent"] = run.parent
            if (nominal := definition.nominal_time(step.cells[0], step.cells[-1])) is not None:
                facets["nominalTime"] = nominal
            if occasion.state == "START":
                at = step.started_at
            else:
                inputs, outputs = self._inputs(step, definition), self._outputs(step, definition)
            if step.judged:
                facets["test"] = facet("TestRunFacet", tests=tests(step.judged))
        if occasion.errors:
            facets["errorMessage"] = _error_message(occasion)
        facets[JOURNAL_FACET] = facet("AssetsCoreJournalRunFacet", seq=record.seq, event=position)
        return {
            "eventType": occasion.state,
            "eventTime": at,
            "producer": PRODUCER,
            "schemaURL": RUN_EVENT,
            "run": {"runId": name, "facets": facets},
            "job": job,
            "inputs": inputs,
            "outputs": outputs,
        }

    def _inputs(self, step: _Step, definition: Definition) -> list[Json]:
        """Return what a step read: its upstreams, and its own data where it only judged it."""
        spans: dict[str, set[Span]] = {}
        for made in step.made.values():
            for name, first, end, _ in made["inputs"]:
                spans.setdefault(definition.upstreams.get(name, name), set()).add((first, end))
        position = max((made["position"] for made in step.made.values()), default=0)
        inputs = [self._input(upstream, _merged(found), position) for upstream, found in spans.items()]
        only_judged = [check for check in step.judged if check["partition"] not in step.made]
        if only_judged:
            read = list(dict.fromkeys(check["partition"] for check in only_judged))
            dataset = self._dataset(step.asset, {**definition.dataset_facets, **_version(only_judged)})
            dataset["inputFacets"] = {
                **_subset("input", definition, read),
                "dataQualityAssertions": facet("DataQualityAssertionsDatasetFacet", assertions=assertions(only_judged)),
            }
            inputs.append(dataset)
        return inputs

    def _input(self, upstream: str, spans: list[Span], position: int) -> Json:
        definition = self._definition(upstream)
        facets = dict(definition.dataset_facets) if definition.is_external else {}
        first, end = spans[0]
        if len(spans) == 1 and end - first == 1:
            version, seq = self._versions.get((upstream, definition.key(first)), ("", 0))
            if version and seq <= position:  # a newer one was published after this step had read
                facets["version"] = facet("DatasetVersionDatasetFacet", datasetVersion=version)
        dataset = self._dataset(upstream, facets)
        if (condition := definition.spanned(spans) if definition.partitions else None) is not None:
            dataset["inputFacets"] = {"subset": facet("InputSubsetInputDatasetFacet", inputCondition=condition)}
        return dataset

    def _outputs(self, step: _Step, definition: Definition) -> list[Json]:
        """Return the asset with what was made and published of it, if anything was."""
        made = [step.made[cell] for cell in step.published if cell in step.made]
        if not made:
            return []
        cells = [one["partition"] for one in made]
        columns = [(name, of) for name, of, _ in made[-1]["columns"]]
        facets = {
            **definition.dataset_facets,
            **definition.column_facets(self._datasets, columns),
            **_version(made),
        }
        judged = [check for check in step.judged if check["partition"] in set(cells)]
        if judged:
            facets["dataQualityAssertions"] = facet("DataQualityAssertionsDatasetFacet", assertions=assertions(judged))
        dataset = self._dataset(step.asset, facets)
        dataset["outputFacets"] = {
            "outputStatistics": facet(
                "OutputStatisticsOutputDatasetFacet",
                rowCount=sum(one["rows"] for one in made),
                size=sum(one["bytes"] for one in made),
                fileCount=len(made),
            ),
            **_subset("output", definition, cells),
        }
        return [dataset]

    def _dataset(self, asset: str, facets: Json) -> Json:
        return {"namespace": self._datasets, "name": asset, "facets": facets}


def _subset(side: str, definition: Definition, cells: Sequence[str | None]) -> Json:
    keys = [cell for cell in cells if cell is not None]
    if not keys:
        return {}
    name = "InputSubsetInputDatasetFacet" if side == "input" else "OutputSubsetOutputDatasetFacet"
    return {"subset": facet(name, **{f"{side}Condition": definition.listed(keys)})}


def _version(cells: Sequence[Json]) -> Json:
    """Return the version facet: the content hash of one cell, or the hash of those of several with their partitions."""
    versions = {(cell["partition"] or "", cell["version"]) for cell in cells}
    if len(versions) == 1:
        version = cells[0]["version"]
    else:
        version = blake3("".join(f"{key}\0{one}\n" for key, one in sorted(versions)).encode()).hexdigest()
    return {"version": facet("DatasetVersionDatasetFacet", datasetVersion=version)}


def _failure(failed: Json) -> str:
    cell = failed["asset"] if failed["partition"] is None else f"{failed['asset']}@{failed['partition']}"
    return f"{cell}: {failed['error']}: {failed['message']}"


def _error_message(occasion: _Occasion) -> Json:
    """Return the errors of a step, the first one first, with its traceback."""
    members = {"message": "\n".join(occasion.errors), "programmingLanguage": "PYTHON"}
    if occasion.step is not None and occasion.step.failed and occasion.step.failed[0]["traceback"]:
        members["stackTrace"] = occasion.step.failed[0]["traceback"]
    return facet("ErrorMessageRunFacet", **members)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that touch as one."""
    merged: list[Span] = []
    for first, end in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((first, end))
    return merged


def _remember(known: dict[_Key, _Value], key: _Key, value: _Value, limit: int) -> None:
    """Set a value as the newest and let go of the oldest beyond a limit."""
    known.pop(key, None)
    known[key] = value
    if len(known) > limit:
        del known[next(iter(known))]
