"""Steps and their outcomes as JSON values, for executors whose workers are other processes or machines.

Used by `processes.py`, `worker.py` and `on_dask.py`. An asset goes by its key and its versions; the worker has loaded
the project itself. A table never crosses: who reads it finds it in the store, or where processes hand tables over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ..errors import AssetsError
from ..io.manager import Reference, Stored
from ..model.asset import Asset, HandOff
from ..model.checks import CheckResult, FailureCase, Severity
from ..model.keys import AssetKey, PartitionKey
from ..model.partitions import Partition
from ..model.reads import ColumnsRead
from ..versions.data import ColumnVersion, DataVersion
from .work import CellOutcome, Source, StepOutcome, Work, WorkInput

Document = dict[str, Any]
_UTC_OFFSET = timedelta(0)


def definitions_changed(key: str) -> AssetsError:
    """Return the error that a worker has another definition of an asset than the run was planned with."""
    return AssetsError(
        f"the definitions changed while the run went on: a worker has loaded another version of {key}",
        remedy="run again; it reads the definitions anew",
    )


def work_to_json(work: Work) -> Document:
    """Return a step as JSON values; `work_from_json` is the inverse."""
    return {
        "step": work.step,
        "attempt": work.attempt,
        "asset": work.asset.key,
        "versions": _versions(work.asset),
        "ordinals": list(work.ordinals),
        "partitions": [_partition_to_json(partition) for partition in work.partitions],
        "inputs": [_input_to_json(given) for given in work.inputs],
        "stored": None if work.stored is None else _part_to_json(work.stored),
        "is_read": work.is_read,
    }


def work_from_json(document: Mapping[str, Any], assets: Mapping[AssetKey, Asset]) -> Work:
    """Return the step that `work_to_json` wrote, with the asset as it is loaded here.

    Raises: AssetsError where that is another version of it.
    """
    asset = assets.get(AssetKey(document["asset"]))
    if asset is None or _versions(asset) != document["versions"]:
        raise definitions_changed(document["asset"])
    stored = document["stored"]
    return Work(
        step=document["step"],
        asset=asset,
        ordinals=tuple(document["ordinals"]),
        partitions=tuple(_partition_from_json(partition) for partition in document["partitions"]),
        inputs=tuple(_input_from_json(given) for given in document["inputs"]),
        stored=None if stored is None else _reference_from_json(stored),
        attempt=document["attempt"],
        is_read=document["is_read"],
    )


def outcome_to_json(outcome: StepOutcome) -> Document:
    """Return the outcome of a step as JSON values; `outcome_from_json` is the inverse."""
    return {
        "step": outcome.work.step,
        "attempt": outcome.work.attempt,
        "cells": [_cell_to_json(cell) for cell in outcome.cells],
        "started_at": outcome.started_at.isoformat(),
        "seconds": outcome.seconds,
        "reads": {name: None if read is None else read.to_json() for name, read in outcome.reads.items()},
    }


def outcome_from_json(document: Mapping[str, Any], work: Work) -> StepOutcome:
    """Return the outcome that `outcome_to_json` wrote, without the tables of what was stored.

    Raises: AssetsError where it is that of another attempt.
    """
    if (document["step"], document["attempt"]) != (work.step, work.attempt):
        raise AssetsError(
            f"a worker answered attempt {document['attempt']} of step {document['step']},"
            f" not attempt {work.attempt} of step {work.step}",
            remedy="run again",
        )
    return StepOutcome(
        work=work,
        cells=tuple(_cell_from_json(cell) for cell in document["cells"]),
        started_at=datetime.fromisoformat(document["started_at"]),
        seconds=document["seconds"],
        reads={
            name: None if read is None else ColumnsRead(tuple(read["columns"]), read["schema"])
            for name, read in document["reads"].items()
        },
    )


def refusal_to_json(document: Mapping[str, Any], error: AssetsError) -> Document:
    """Return the outcome of a step, as `outcome_to_json` does, that a worker cannot make anything of."""
    kinds = tuple(kind.__name__ for kind in type(error).__mro__[:-1])
    cells = [CellOutcome(o, error=kinds[0], message=str(error), kinds=kinds) for o in document["ordinals"]]
    return {
        "step": document["step"],
        "attempt": document["attempt"],
        "cells": [_cell_to_json(cell) for cell in cells],
        "started_at": datetime.now(UTC).isoformat(),
        "seconds": 0.0,
        "reads": {},
    }


def _versions(asset: Asset) -> list[str]:
    """Return what says that two processes run the same for an asset."""
    return [asset.code_version, *(f"{check.name} {check.severity} {check.version}" for check in asset.checks)]


def _partition_to_json(partition: Partition | None) -> Document | None:
    if partition is None:
        return None
    document: Document = {"key": partition.key}
    if partition.start is not None:
        document["start"] = _moment_to_json(partition.start)
    if partition.end is not None:
        document["end"] = _moment_to_json(partition.end)
    if partition.dimensions is not None:
        document["dimensions"] = {name: _partition_to_json(part) for name, part in partition.dimensions.items()}
    return document


def _partition_from_json(document: Mapping[str, Any] | None) -> Partition | None:
    return None if document is None else _known_partition_from_json(document)


def _known_partition_from_json(document: Mapping[str, Any]) -> Partition:
    start, end, dimensions = (document.get(name) for name in ("start", "end", "dimensions"))
    return Partition(
        PartitionKey(document["key"]),
        None if start is None else _moment_from_json(start),
        None if end is None else _moment_from_json(end),
        None if dimensions is None else {name: _known_partition_from_json(part) for name, part in dimensions.items()},
    )


def _moment_to_json(moment: datetime) -> list[Any]:
    """Return an aware time as the clock of its zone reads it, which of two such times it is, and the zone."""
    offset = moment.utcoffset()
    assert offset is not None  # noqa: S101  # times of partitions are aware
    zone = moment.tzinfo.key if isinstance(moment.tzinfo, ZoneInfo) else offset.total_seconds()
    return [moment.replace(tzinfo=None, fold=0).isoformat(), moment.fold, zone]


def _moment_from_json(document: list[Any]) -> datetime:
    text, fold, zone = document
    offset = None if isinstance(zone, str) else timedelta(seconds=zone)
    tzinfo = ZoneInfo(zone) if offset is None else UTC if offset == _UTC_OFFSET else timezone(offset)
    return datetime.fromisoformat(text).replace(tzinfo=tzinfo, fold=fold)


def _input_to_json(given: WorkInput) -> Document:
    return {
        "name": given.name,
        "hand_off": given.hand_off,
        "columns": None if given.columns is None else list(given.columns),
        "by_partition": given.by_partition,
        "parts": [[key, _part_to_json(part)] for key, part in given.parts],
        "optional": given.optional,
    }


def _input_from_json(document: Mapping[str, Any]) -> WorkInput:
    columns = document["columns"]
    return WorkInput(
        name=document["name"],
        hand_off=HandOff(document["hand_off"]),
        columns=None if columns is None else tuple(columns),
        by_partition=document["by_partition"],
        parts=tuple((key, _part_from_json(part)) for key, part in document["parts"]),
        optional=document["optional"],
    )


def _part_to_json(part: Reference | Source) -> Document | list[str]:
    """Return a reference as a list, which is short, since there may be thousands; a source as an object."""
    if isinstance(part, Reference):
        return [part.asset, part.version, part.file]
    return {
        "asset": part.asset,
        "path": None if part.path is None else str(part.path),
        "partition": _partition_to_json(part.partition),
        "reader": part.reader,
        "signature": part.signature,
    }


def _part_from_json(document: Mapping[str, Any] | list[str]) -> Reference | Source:
    if isinstance(document, list):
        return _reference_from_json(document)
    path = document["path"]
    return Source(
        asset=AssetKey(document["asset"]),
        path=None if path is None else Path(path),
        partition=_partition_from_json(document["partition"]),
        reader=document["reader"],
        signature=document["signature"],
    )


def _reference_from_json(document: list[str]) -> Reference:
    asset, version, file = document
    return Reference(AssetKey(asset), version, file)


def _cell_to_json(cell: CellOutcome) -> Document:
    return {
        "ordinal": cell.ordinal,
        "stored": None if cell.stored is None else _stored_to_json(cell.stored),
        "checks": [_check_to_json(check) for check in cell.checks],
        "judged_version": cell.judged_version,
        "error": cell.error,
        "message": cell.message,
        "traceback": cell.traceback,
        "kinds": list(cell.kinds),
        "metadata": dict(cell.metadata),
    }


def _cell_from_json(document: Mapping[str, Any]) -> CellOutcome:
    stored = document["stored"]
    return CellOutcome(
        ordinal=document["ordinal"],
        stored=None if stored is None else _stored_from_json(stored),
        checks=tuple(_check_from_json(check) for check in document["checks"]),
        judged_version=document["judged_version"],
        error=document["error"],
        message=document["message"],
        traceback=document["traceback"],
        kinds=tuple(document["kinds"]),
        metadata=document["metadata"],
    )


def _stored_to_json(stored: Stored) -> Document:
    return {
        "version": stored.data.digest,
        "rows": stored.data.rows,
        "columns": [[column.name, column.type, column.digest] for column in stored.data.columns],
        "file": stored.file,
        "size_bytes": stored.size_bytes,
        "file_digest": stored.file_digest,
        "tag": stored.tag,
    }


def _stored_from_json(document: Mapping[str, Any]) -> Stored:
    columns = tuple(ColumnVersion(*column) for column in document["columns"])
    return Stored(
        data=DataVersion(document["version"], document["rows"], columns),
        file=document["file"],
        size_bytes=document["size_bytes"],
        file_digest=document["file_digest"],
        tag=document["tag"],
    )


def _check_to_json(check: CheckResult) -> Document:
    return {
        "name": check.name,
        "severity": check.severity,
        "passed": check.passed,
        "failed_rows": check.failed_rows,
        "message": check.message,
        "failures": [[case.column, case.check, case.row, case.value] for case in check.failures],
        "metrics": dict(check.metrics),
    }


def _check_from_json(document: Mapping[str, Any]) -> CheckResult:
    return CheckResult(
        name=document["name"],
        severity=Severity(document["severity"]),
        passed=document["passed"],
        failed_rows=document["failed_rows"],
        message=document["message"],
        failures=tuple(FailureCase(*case) for case in document["failures"]),
        metrics=document["metrics"],
    )
