"""The facets of OpenLineage that we send: their schemas, and the ones that come from an asset's definition alone.

Used by `events.py` alone. Facets are plain dictionaries, made once and shared between events: nobody may change one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..version import __version__

Json = dict[str, Any]

PRODUCER = f"https://github.com/assets-core/assets-core/tree/v{__version__}"
RUN_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"

_STANDARD = "https://openlineage.io/spec/facets"
_OURS = "https://raw.githubusercontent.com/assets-core/assets-core/main/assets_core/lineage/schemas"
_SCHEMAS = {
    "AssetsCoreJournalRunFacet": f"{_OURS}/1-0-0/AssetsCoreJournalRunFacet.json",
    "ColumnLineageDatasetFacet": f"{_STANDARD}/1-2-0/ColumnLineageDatasetFacet.json",
    "DataQualityAssertionsDatasetFacet": f"{_STANDARD}/1-1-0/DataQualityAssertionsDatasetFacet.json",
    "DatasetVersionDatasetFacet": f"{_STANDARD}/1-0-1/DatasetVersionDatasetFacet.json",
    "DocumentationDatasetFacet": f"{_STANDARD}/1-1-0/DocumentationDatasetFacet.json",
    "DocumentationJobFacet": f"{_STANDARD}/1-1-0/DocumentationJobFacet.json",
    "ErrorMessageRunFacet": f"{_STANDARD}/1-0-1/ErrorMessageRunFacet.json",
    "InputSubsetInputDatasetFacet": f"{_STANDARD}/1-0-0/BaseSubsetDatasetFacet.json",
    "JobTypeJobFacet": f"{_STANDARD}/2-0-4/JobTypeJobFacet.json",
    "NominalTimeRunFacet": f"{_STANDARD}/1-0-1/NominalTimeRunFacet.json",
    "OutputStatisticsOutputDatasetFacet": f"{_STANDARD}/1-0-2/OutputStatisticsOutputDatasetFacet.json",
    "OutputSubsetOutputDatasetFacet": f"{_STANDARD}/1-0-0/BaseSubsetDatasetFacet.json",
    "OwnershipDatasetFacet": f"{_STANDARD}/1-0-1/OwnershipDatasetFacet.json",
    "OwnershipJobFacet": f"{_STANDARD}/1-0-1/OwnershipJobFacet.json",
    "ParentRunFacet": f"{_STANDARD}/1-2-0/ParentRunFacet.json",
    "ProcessingEngineRunFacet": f"{_STANDARD}/1-1-1/ProcessingEngineRunFacet.json",
    "SQLJobFacet": f"{_STANDARD}/1-1-0/SQLJobFacet.json",
    "SchemaDatasetFacet": f"{_STANDARD}/1-2-0/SchemaDatasetFacet.json",
    "SourceCodeLocationJobFacet": f"{_STANDARD}/1-1-0/SourceCodeLocationJobFacet.json",
    "TagsDatasetFacet": f"{_STANDARD}/1-0-0/TagsDatasetFacet.json",
    "TagsJobFacet": f"{_STANDARD}/1-0-0/TagsJobFacet.json",
    "TestRunFacet": f"{_STANDARD}/1-0-1/TestRunFacet.json",
}
_POINTERS = {name: f"{schema}#/$defs/{name}" for name, schema in _SCHEMAS.items()}


def facet(schema: str, /, **members: Any) -> Json:
    """Return a facet of a schema with these members."""
    return {"_producer": PRODUCER, "_schemaURL": _POINTERS[schema], **members}


def dataset_facets(definition: Mapping[str, Any]) -> Json:
    """Return the dataset facets that the definition of an asset gives: owners, tags, documentation."""
    return _about(definition, "Dataset")


def job_facets(definition: Mapping[str, Any], commit: str | None, *, dirty: bool) -> Json:
    """Return the job facets that the definition of an asset gives, with the commit that its code stands at."""
    facets = _about(definition, "Job")
    facets["jobType"] = facet("JobTypeJobFacet", processingType="BATCH", integration="ASSETS_CORE", jobType="ASSET")
    file, line = definition["file"], definition["line"]
    place = {"url": f"file:{quote(file)}" + (f"#L{line}" if line else ""), "path": file}
    if commit:
        place["version"] = f"{commit}-dirty" if dirty else commit
    facets["sourceCodeLocation"] = facet("SourceCodeLocationJobFacet", type="git" if commit else "file", **place)
    if definition["query"] is not None:
        facets["sql"] = facet("SQLJobFacet", query=definition["query"], dialect="duckdb")
    return facets


def _about(definition: Mapping[str, Any], entity: str) -> Json:
    facets: Json = {}
    if owners := definition["owners"]:
        facets["ownership"] = facet(
            f"Ownership{entity}Facet", owners=[{"name": owner, "type": "OWNER"} for owner in owners]
        )
    if tags := definition["tags"]:
        facets["tags"] = facet(
            f"Tags{entity}Facet", tags=[{"key": key, "value": value, "source": "USER"} for key, value in tags.items()]
        )
    if description := definition["description"]:
        facets["documentation"] = facet(f"Documentation{entity}Facet", description=description)
    return facets


def schema_facet(columns: Iterable[tuple[str, str]]) -> Json:
    """Return the schema of a dataset from its columns, each name and type."""
    fields = [{"name": name, "type": of, "ordinal_position": at} for at, (name, of) in enumerate(columns, 1)]
    return facet("SchemaDatasetFacet", fields=fields)


def column_lineage_facet(
    namespace: str, lineage: Mapping[str, Sequence[Sequence[str]]], columns: Iterable[str]
) -> Json:
    """Return the column lineage of a dataset: what decides the rows of all of it stands once, for the whole dataset.

    `lineage`: column -> [upstream, its column, how]; the key `*` stands for every column that is not named.
    """
    sources = {column: {tuple(source) for source in lineage.get(column, lineage.get("*", ()))} for column in columns}
    everywhere = set.intersection(*sources.values()) if sources else set()
    whole = sorted(source for source in everywhere if source[2] == "indirect")
    fields = {
        column: {"inputFields": [_input_field(namespace, source) for source in sorted(found - set(whole))]}
        for column, found in sources.items()
    }
    return facet("ColumnLineageDatasetFacet", fields=fields, dataset=[_input_field(namespace, one) for one in whole])


def _input_field(namespace: str, source: tuple[str, ...]) -> Json:
    upstream, column, how = source
    kinds = {
        "identity": {"type": "DIRECT", "subtype": "IDENTITY"},
        "transformed": {"type": "DIRECT", "subtype": "TRANSFORMATION"},
        "indirect": {"type": "INDIRECT"},
    }
    return {"namespace": namespace, "name": upstream, "field": column, "transformations": [kinds[how]]}


def assertions(judged: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Return data quality assertions: one for each check, and one for each column in which it found failures.

    The failing values themselves are left out: they are data.
    """
    found: list[Json] = []
    for check in judged:
        shared: Json = {"severity": check["severity"], "name": check["check"]}
        if check["partition"] is not None:
            shared["params"] = {"partition": check["partition"]}
        whole: Json = {"assertion": check["check"], "success": check["passed"], **shared}
        if check["message"]:
            whole["description"] = check["message"]
        if check["failed_rows"] is not None:
            whole["actual"] = str(check["failed_rows"])
        found.append(whole)
        cases = {(case["check"], case["column"]): None for case in check["failures"] if case["column"]}
        found += [{"assertion": kind, "success": False, "column": column, **shared} for kind, column in cases]
    return found


def tests(judged: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Return the checks that a step ran, as the tests of its run."""
    found: list[Json] = []
    for check in judged:
        test: Json = {
            "name": check["check"],
            "status": "pass" if check["passed"] else "fail",
            "severity": check["severity"],
        }
        if check["message"]:
            test["description"] = check["message"]
        if check["failed_rows"] is not None:
            test["actual"] = str(check["failed_rows"])
        if check["partition"] is not None:
            test["params"] = {"partition": check["partition"]}
        found.append(test)
    return found
