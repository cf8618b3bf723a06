"""An asset's definition as events need it: its facets and its partitions, worked out when first asked for.

Used by `events.py` alone, which makes a new one when the definition changes. It must not know of runs or steps.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import UserError
from ..model.keys import split_dimensions
from ..model.partitions import Partitions, ProductPartitions, dynamic_names, parse_partitions
from .facets import Json, column_lineage_facet, dataset_facets, facet, job_facets, schema_facet

_LISTED_PARTITIONS = 31
_NOMINAL_TIMES_KEPT = 1_000  # a step asks twice: when it begins and when it ends

_UNDECLARED: Mapping[str, Any] = {
    "kind": "function",
    "partitions": None,
    "upstreams": (),
    "owners": (),
    "tags": {},
    "description": "",
    "file": "",
    "line": 0,
    "query": None,
}

Span = tuple[int, int]
"""Ordinals from a first one up to an end that is not part of it."""


class Definition:
    """One asset: the payload of its newest `declared` record, and the columns of its newest `column_lineage` record."""

    def __init__(self, declared: Mapping[str, Any] | None, lineage: Mapping[str, Any] | None) -> None:
        self._source = (declared, lineage)
        self._declared = {**_UNDECLARED, **(declared or {})}
        self._lineage = lineage
        self._job_facets: dict[tuple[str | None, bool], Json] = {}
        self._nominal_times: dict[tuple[str | None, str | None], Json | None] = {}
        self._column_facets: tuple[Sequence[tuple[str, str]], Json] = ((), {})

    def is_of(self, declared: Mapping[str, Any] | None, lineage: Mapping[str, Any] | None) -> bool:
        """Tell whether this was made from these very payloads."""
        return self._source[0] is declared and self._source[1] is lineage

    @property
    def is_external(self) -> bool:
        return bool(self._declared["kind"] == "external")

    @functools.cached_property
    def upstreams(self) -> Mapping[str, str]:
        """Return the upstream asset behind each name that the asset reads."""
        return {edge["name"]: edge["asset"] for edge in self._declared["upstreams"]}

    @functools.cached_property
    def dataset_facets(self) -> Json:
        return dataset_facets(self._declared)

    def job_facets(self, commit: str | None, *, dirty: bool) -> Json:
        """Return the job facets as of a commit; they are shared between events."""
        if (commit, dirty) not in self._job_facets:
            self._job_facets = {(commit, dirty): job_facets(self._declared, commit, dirty=dirty)}
        return self._job_facets[commit, dirty]

    def column_facets(self, namespace: str, columns: Sequence[tuple[str, str]]) -> Json:
        """Return schema and column lineage of data with these columns, each name and type; they are shared too."""
        if self._column_facets[0] != columns:
            facets = {"schema": schema_facet(columns)}
            if self._lineage is not None:
                names = [name for name, _ in columns]
                facets["columnLineage"] = column_lineage_facet(namespace, self._lineage, names)
            self._column_facets = (columns, facets)
        return self._column_facets[1]

    @functools.cached_property
    def partitions(self) -> Partitions | None:
        """Return the partitions; None also for a definition that this version cannot read."""
        try:
            return parse_partitions(self._declared["partitions"]) if self._declared["partitions"] else None
        except UserError:
            return None

    @functools.cached_property
    def _is_dynamic(self) -> bool:
        return self.partitions is not None and bool(dynamic_names(self.partitions))

    def key(self, ordinal: int) -> str | None:
        """Return the partition key of an ordinal; None where the partitions in force have none, or where keys that are
        recorded by themselves decide it."""
        try:
            return None if self.partitions is None or self._is_dynamic else self.partitions.key(ordinal)
        except (UserError, IndexError, OverflowError, ValueError):
            return None

    def nominal_time(self, first: str | None, last: str | None) -> Json | None:
        """Return the time that partitions from one key to another stand for, where they are partitions of time."""
        if (first, last) not in self._nominal_times:
            if len(self._nominal_times) >= _NOMINAL_TIMES_KEPT:
                self._nominal_times.clear()
            self._nominal_times[first, last] = self._new_nominal_time(first, last)
        return self._nominal_times[first, last]

    def _new_nominal_time(self, first: str | None, last: str | None) -> Json | None:
        if self.partitions is None or self._is_dynamic or first is None or last is None:
            return None
        try:
            opening = closing = self.partitions.partition(self.partitions.ordinal(first))
            if last != first:
                closing = self.partitions.partition(self.partitions.ordinal(last))
        except (UserError, OverflowError, ValueError):
            return None
        if opening.start is None or closing.end is None:
            return None
        return facet(
            "NominalTimeRunFacet",
            nominalStartTime=opening.start.isoformat(timespec="seconds"),
            nominalEndTime=closing.end.isoformat(timespec="seconds"),
        )

    def listed(self, keys: Sequence[str]) -> Json:
        """Return the condition that a row is of one of these partitions."""
        return {"type": "partition", "partitions": [self._dimensions(key) for key in keys]}

    def spanned(self, spans: Sequence[Span]) -> Json | None:
        """Return the condition that a row is of a partition in these spans: many neighbours by the first and last."""
        if sum(end - first for first, end in spans) <= _LISTED_PARTITIONS:
            keys = [self.key(ordinal) for first, end in spans for ordinal in range(first, end)]
            known = [key for key in keys if key is not None]
            return self.listed(known) if known and len(known) == len(keys) else None
        condition: Json | None = None
        for first, end in spans:
            low, high = self.key(first), self.key(end - 1)
            if low is None or high is None:
                return None
            bounds = _joined("AND", _compared("GREATER_EQUAL_THAN", low), _compared("LESS_EQUAL_THAN", high))
            condition = bounds if condition is None else _joined("OR", condition, bounds)
        return condition

    def _dimensions(self, key: str) -> Json:
        if isinstance(self.partitions, ProductPartitions):
            names = [name for name, _ in self.partitions.dimensions]
            return {"identifier": key, "dimensions": dict(zip(names, split_dimensions(key), strict=False))}
        return {"identifier": key, "dimensions": {"partition": key}}


def _joined(operator: str, left: Json, right: Json) -> Json:
    return {"type": "binary", "operator": operator, "left": left, "right": right}


def _compared(comparison: str, key: str) -> Json:
    return {
        "type": "compare",
        "comparison": comparison,
        "left": {"type": "field", "field": "partition"},
        "right": {"type": "literal", "value": key},
    }
