"""What a run writes into the journal: the payload of each kind of record, as documented in docs/journal.md.

Called by `run.py` only. It must not decide anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..model.asset import Asset
from ..model.checks import CheckResult, Metric
from ..model.keys import PartitionKey
from ..model.mapping import describe_mapping
from ..model.reads import ColumnsRead
from ..planning.observe import Observation
from ..planning.state import checks_version
from ..steps.work import CellOutcome, StepOutcome
from ..versions.recipe import lanes_text, token

Fact = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Claim:
    """What was read when a step on a cell began: its recipe and, edge by edge, which ordinals with which digest.

    `whole`: the recipe as if all columns counted, and `digests`, by edge, the digests as if they did. `inputs`: [name,
    first ordinal, end ordinal, digest of what counts]; `reads`: the columns that count, by edge, all of one that is not
    there;
    `position`: the journal position as of which all was read.
    """

    scheme: str
    recipe: str
    whole: str
    code: str
    inputs: list[list[Any]]
    digests: Mapping[str, str]
    reads: Mapping[str, ColumnsRead | None]
    position: int


def declared(asset: Asset) -> dict[str, Any]:
    """Return the payload that states an asset's definition."""
    return {
        "asset": asset.key,
        "kind": asset.kind,
        "partitions": None if asset.partitions is None else asset.partitions.describe(),
        "code_version": asset.code_version,
        "checks_version": checks_version(asset),
        "checks": [[spec.name, spec.version] for spec in asset.checks],
        "upstreams": [
            {
                "name": edge.name,
                "asset": edge.upstream,
                "mapping": describe_mapping(edge.mapping),
                "columns": None if edge.columns is None else list(edge.columns),
                "load": edge.hand_off is not None,
            }
            for edge in asset.edges
        ],
        "owners": list(asset.owners),
        "tags": dict(asset.tags),
        "group": asset.group,
        "description": asset.description,
        "file": asset.place.file,
        "line": asset.place.line,
        "query": asset.query,
    }


def observed(run: str, observation: Observation, scheme: str) -> Fact:
    return "observed", {
        "run": run,
        "asset": observation.asset,
        "partition": observation.partition,
        "ordinal": observation.ordinal,
        "scheme": scheme,
        "version": observation.version,
        "token": lanes_text(observation.token),
        "signature": observation.signature,
    }


def interrupted(run: str) -> Fact:
    """Return the fact that a run which is not at work any more has ended; how far it came is in its other records."""
    unknown = {"made": None, "fresh": None, "failed": None, "blocked": None, "seconds": None}
    return "run_ended", {"run": run, "state": "interrupted", **unknown}


def claimed(run: str, steps: Sequence[tuple[int, str, Sequence[PartitionKey | None]]], started_at: str) -> Fact:
    """Return the fact that a run has taken up steps, each given by number, asset and cells."""
    return "claimed", {
        "run": run,
        "started_at": started_at,
        "steps": [[number, asset, list(cells)] for number, asset, cells in steps],
    }


def materialized(
    run: str,
    outcome: StepOutcome,
    cell: CellOutcome,
    partition: PartitionKey | None,
    claim: Claim,
) -> dict[str, Any]:
    """Return the payload that tells of a cell's data, made and stored."""
    assert cell.stored is not None  # noqa: S101  # asked for stored cells only
    data = cell.stored.data
    return {
        "run": run,
        "step": outcome.work.step,
        "asset": outcome.work.asset.key,
        "partition": partition,
        "ordinal": cell.ordinal,
        "scheme": claim.scheme,
        "version": data.digest,
        "token": lanes_text(token(partition, data.digest)),
        "recipe": claim.recipe,
        "whole": None if claim.whole == claim.recipe else claim.whole,
        "code_version": outcome.work.asset.code_version,
        "code_lanes": claim.code,
        "rows": data.rows,
        "bytes": cell.stored.size_bytes,
        "file": cell.stored.file,
        "file_digest": cell.stored.file_digest,
        "columns": [[column.name, column.type, column.digest] for column in data.columns],
        "inputs": claim.inputs,
        "reads": {name: one.to_json() for name, one in sorted(claim.reads.items()) if one is not None} or None,
        "position": claim.position,
        "seconds": round(outcome.seconds / len(outcome.work.ordinals), 6),
        "metadata": dict(cell.metadata) or None,
    }


def judged(
    run: str, outcome: StepOutcome, cell: CellOutcome, partition: PartitionKey | None, check: CheckResult
) -> Fact:
    return "judged", {
        "run": run,
        "step": outcome.work.step,
        "asset": outcome.work.asset.key,
        "partition": partition,
        "version": cell.judged_version,
        "check": check.name,
        "severity": check.severity,
        "passed": check.passed,
        "failed_rows": check.failed_rows,
        "message": check.message,
        "failures": [
            {"column": case.column, "check": case.check, "row": case.row, "value": case.value}
            for case in check.failures
        ],
        "metrics": {name: _recordable(value) for name, value in check.metrics.items()},
    }


def _recordable(metric: Metric) -> Metric:
    """Return a metric as it can be written down: JSON has no NaN and no infinity, so these are texts."""
    return str(metric) if isinstance(metric, float) and not math.isfinite(metric) else metric


def attempt_failed(
    run: str, outcome: StepOutcome, cell: CellOutcome, partition: PartitionKey | None, wait_seconds: float
) -> Fact:
    """Return the fact that an attempt has failed which is followed by another."""
    kind, payload = failed(run, outcome, cell, partition)
    return f"attempt_{kind}", {**payload, "wait_seconds": round(wait_seconds, 3)}


def failed(run: str, outcome: StepOutcome, cell: CellOutcome, partition: PartitionKey | None) -> Fact:
    return "failed", {
        "run": run,
        "step": outcome.work.step,
        "asset": outcome.work.asset.key,
        "partition": partition,
        "error": cell.error,
        "message": cell.message,
        "traceback": cell.traceback,
        "seconds": round(outcome.seconds, 6),
        "attempt": outcome.work.attempt,
    }
