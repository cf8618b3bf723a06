"""Validate OpenLineage events against copies of the public schemas: the event by the core, each facet by its own.

A facet must be in a place of the kind its schema says, and under the name its schema gives it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

import assets_core.lineage

CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
_FOLDERS = [Path(__file__).parent / "schemas", Path(assets_core.lineage.__path__[0]) / "schemas"]

formats = FormatChecker()


@formats.checks("date-time", raises=ValueError)
def _is_date_time(text: object) -> bool:
    return isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None


@formats.checks("uri")
def _is_uri(text: object) -> bool:
    return isinstance(text, str) and bool(urlparse(text).scheme) and " " not in text


@functools.cache
def _schemas() -> dict[str, Any]:
    files = [file for folder in _FOLDERS for file in folder.rglob("*.json")]
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return {document["$id"]: document for document in documents}


@functools.cache
def _validator(reference: str) -> Draft202012Validator:
    registry = Registry().with_resources((name, Resource.from_contents(one)) for name, one in _schemas().items())
    return Draft202012Validator({"$ref": reference}, registry=registry, format_checker=formats)


def facets(event: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each facet of an event with the kind of place it is in and its name."""
    places = [("RunFacet", event["run"]), ("JobFacet", event["job"])]
    places += [("DatasetFacet", dataset) for dataset in (*event["inputs"], *event["outputs"])]
    for kind, place in places:
        yield from ((kind, name, facet) for name, facet in place.get("facets", {}).items())
    for kind, side, key in (
        ("InputDatasetFacet", "inputs", "inputFacets"),
        ("OutputDatasetFacet", "outputs", "outputFacets"),
    ):
        for dataset in event[side]:
            yield from ((kind, name, facet) for name, facet in dataset.get(key, {}).items())


def validate(event: dict[str, Any]) -> None:
    """Raise where an event, or a facet of it, is not as its schema says."""
    json.dumps(event, allow_nan=False)
    assert event["schemaURL"] == f"{CORE}#/$defs/RunEvent"
    _validator(CORE).validate(event)
    _validator(event["schemaURL"]).validate(event)
    for kind, name, facet in facets(event):
        document, _, definition = facet["_schemaURL"].partition("#/$defs/")
        assert document in _schemas(), f"no schema is known for facet {name}: {document}"
        assert name in _schemas()[document]["properties"], f"facet {name} has another name in {document}"
        assert definition in _schemas()[document]["$defs"]
        _validator(facet["_schemaURL"]).validate(facet)
        _validator(f"{CORE}#/$defs/{kind}").validate(facet)
        text = json.dumps(_schemas()[document]["$defs"][definition])
        # the one facet about inputs that also stands on an output: what was found out about it before it was published
        kinds = {kind, "InputDatasetFacet"} if name == "dataQualityAssertions" else {kind}
        assert any(f"#/$defs/{one}" in text for one in kinds), f"facet {name} does not belong among the {kind}s"
