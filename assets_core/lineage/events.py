"""OpenLineage events (spec 2-0-2) of a run and its steps, made from the records of the journal.

Fed by `relay.py` with every record in order. A step ends when all of its cells have settled, and declares as outputs
only what was published. It must not touch a disk or a network; the events share parts, so nobody may change one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from blake3 import blake3

from catalog.records import Record

from ..version import __version__
from .definitions import Definition, Span
from .facets import PRODUCER, RUN_EVENT, Json, assertions, facet, tests
from .occasions import Occasion, Run, Step, Story, story_from_json

JOURNAL_FACET = "assetsCore_journal"


@dataclass(frozen=True, slots=True)
class _OfRun:
    """What the events of one run share."""

    run: Run
    engine: Json
    job: Json
    parent: Json


class EventMapper:
    """Turns records into events. `namespace` is that of jobs, `dataset_namespace` that of datasets."""

    def __init__(self, namespace: str, dataset_namespace: str) -> None:
        self._namespace = namespace
        self._datasets = dataset_namespace
        self._story = Story()
        self._definitions: dict[str, Definition] = {}
        self._of_run: _OfRun | None = None

    def feed(self, record: Record) -> list[Json]:
        """Take in the next record; return the events it gives rise to, each with its `seq` in a facet of its run."""
        return [self._event(one, record, position) for position, one in enumerate(self._story.take(record))]

    def pass_over(self, record: Record) -> None:
        """Take in the next record, of which no event is wanted."""
        self._story.take(record)

    def to_json(self) -> Json:
        """Return what the mapper knows as JSON values."""
        return self._story.to_json()

    def resume(self, document: Mapping[str, Any]) -> None:
        """Know what the mapper knew that wrote a document with `to_json`, and nothing else."""
        self._story = story_from_json(document)

    def _definition(self, asset: str) -> Definition:
        declared, lineage = self._story.declared.get(asset), self._story.lineage.get(asset)
        found = self._definitions.get(asset)
        if found is None or not found.is_of(declared, lineage):
            found = self._definitions[asset] = Definition(declared, lineage)
        return found

    def _event(self, occasion: Occasion, record: Record, position: int) -> Json:
        run, step = occasion.run, occasion.step
        of_run = self._of_run
        if of_run is None or of_run.run is not run:
            of_run = self._of_run = self._parts(run)
        facets: Json = {"processing_engine": of_run.engine}
        inputs: list[Json] = []
        outputs: list[Json] = []
        at, run_id = record.at, run.run
        if step is None:
            job_type = facet("JobTypeJobFacet", processingType="BATCH", integration="ASSETS_CORE", jobType="RUN")
            job = {**of_run.job, "facets": {"jobType": job_type}}
        else:
            definition = self._definition(step.asset)
            run_id = _step_id(run.run, step.number)
            job = {"namespace": self._namespace, "name": step.asset}
            job["facets"] = definition.job_facets(run.commit, dirty=run.dirty)
            facets["parent"] = of_run.parent
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
            "run": {"runId": run_id, "facets": facets},
            "job": job,
            "inputs": inputs,
            "outputs": outputs,
        }

    def _parts(self, run: Run) -> _OfRun:
        """Return what all events of a run share. Its job is named for its command: no asset key has a blank."""
        engine = facet(
            "ProcessingEngineRunFacet",
            version=run.product or __version__,
            name="assets-core",
            openlineageAdapterVersion=__version__,
        )
        job = {"namespace": self._namespace, "name": f"assets {run.kind}"}
        address = {"run": {"runId": run.run}, "job": job}
        return _OfRun(run, engine, job, facet("ParentRunFacet", **address, root=address))

    def _inputs(self, step: Step, definition: Definition) -> list[Json]:
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
            version = self._story.version(upstream, definition.key(first), position)
            if version is not None:
                facets["version"] = facet("DatasetVersionDatasetFacet", datasetVersion=version)
        dataset = self._dataset(upstream, facets)
        if (condition := definition.spanned(spans) if definition.partitions else None) is not None:
            dataset["inputFacets"] = {"subset": facet("InputSubsetInputDatasetFacet", inputCondition=condition)}
        return dataset

    def _outputs(self, step: Step, definition: Definition) -> list[Json]:
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


def _step_id(run: str, number: int) -> str:
    """Return the UUID of version 5 of a step's number in the namespace of its run, as `uuid.uuid5` does."""
    namespace = bytes.fromhex(run.replace("-", ""))
    name = sha1(b"%bstep %d" % (namespace, number), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(name[16], 16) & 3]
    return f"{name[:8]}-{name[8:12]}-5{name[13:16]}-{variant}{name[17:20]}-{name[20:32]}"


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


def _error_message(occasion: Occasion) -> Json:
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
