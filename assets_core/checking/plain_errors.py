"""How does pandera hand over its errors as they are, instead of as one table of text?

The contract asks. Before it raises, pandera writes each failing value as text: slow where many fail, and impossible for
some (a Duration cannot be cast to text, polars panics on bytes in JSON). Importing this imports pandera.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from pandera.backends.polars.components import ColumnBackend
from pandera.backends.polars.container import DataFrameSchemaBackend
from pandera.config import CONFIG
from pandera.errors import FailureCaseMetadata, SchemaError
from pandera.polars import Column, DataFrameSchema


def with_plain_errors(schema: DataFrameSchema) -> DataFrameSchema:
    """Copy a schema so that `SchemaErrors.schema_errors` is all that its errors carry; the judgement is unchanged."""
    if type(schema) is not DataFrameSchema or CONFIG.use_narwhals_backend:
        return schema
    plain = copy(schema)
    plain.__class__ = _PlainSchema
    plain.columns = {key: _plain_column(column) for key, column in schema.columns.items()}
    return plain


def _plain_column(column: Column) -> Column:
    plain = copy(column)
    if type(column) is Column:
        plain.__class__ = _PlainColumn
    return plain


class _PlainSchemaBackend(DataFrameSchemaBackend):
    def failure_cases_metadata(self, schema_name: str, schema_errors: list[SchemaError]) -> FailureCaseMetadata:  # noqa: ARG002
        return FailureCaseMetadata(None, {}, {})


class _PlainColumnBackend(ColumnBackend):
    def failure_cases_metadata(self, schema_name: str, schema_errors: list[SchemaError]) -> FailureCaseMetadata:  # noqa: ARG002
        return FailureCaseMetadata(None, {}, {})


class _PlainSchema(DataFrameSchema):
    @classmethod
    def get_backend(cls, check_obj: Any = None, check_type: type | None = None) -> DataFrameSchemaBackend:  # noqa: ARG003
        return _PlainSchemaBackend()


class _PlainColumn(Column):
    @classmethod
    def get_backend(cls, check_obj: Any = None, check_type: type | None = None) -> ColumnBackend:  # noqa: ARG003
        return _PlainColumnBackend()
