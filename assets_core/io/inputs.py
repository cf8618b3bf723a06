"""What a step reads, before it takes the form that its function asks for: in memory or in Parquet files.

Made by IO managers and by the run's memory; used by `hand_off.py`. Columns are narrowed here, for every form alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError, did_you_mean
from .memory import size_of

if TYPE_CHECKING:
    import polars as pl
    import pyarrow.dataset


class Input(Protocol):
    """The data of one input of a step: all its partitions as one table, in four forms."""

    @property
    def size_bytes(self) -> int | None:
        """Return how large the data is where it lies; None where what is read of it cannot be followed."""
        ...

    def lazy_frame(self) -> pl.LazyFrame: ...

    def frame(self) -> pl.DataFrame: ...

    def table(self) -> pa.Table: ...

    def scannable(self) -> pa.Table | pa.dataset.Dataset:
        """Return what DuckDB and Arrow can scan with columns and rows pushed down."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryInput:
    """Tables still in memory: handed on without a copy where both sides are Arrow."""

    tables: tuple[pa.Table, ...]
    columns: tuple[str, ...] | None

    @property
    def size_bytes(self) -> int:
        return sum(map(size_of, self.tables))

    def table(self) -> pa.Table:
        tables = self.tables
        if self.columns is not None:
            for table in tables:
                require_columns(self.columns, table.schema.names)
            tables = tuple(table.select(list(self.columns)) for table in tables)
        if len(tables) == 1:
            return tables[0]
        unified([table.schema for table in tables])
        return pa.concat_tables(tables, promote_options="permissive")

    def scannable(self) -> pa.Table:
        return self.table()

    def frame(self) -> pl.DataFrame:
        import polars as pl

        return pl.DataFrame(self.table().to_reader())

    def lazy_frame(self) -> pl.LazyFrame:
        return self.frame().lazy()


@dataclass(frozen=True, slots=True)
class ParquetInput:
    """Parquet files, one a partition: read lazily."""

    paths: tuple[Path, ...]
    columns: tuple[str, ...] | None

    @property
    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.paths if path.exists())

    def _schemas(self) -> list[pa.Schema]:
        try:
            return [pq.read_schema(path) for path in self.paths]
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(
                f"published data cannot be read: {error}",
                remedy="run `assets audit verify` to see what is damaged, then materialize it with --force",
            ) from error

    def scannable(self) -> pa.dataset.Dataset:
        import pyarrow.dataset as ds

        schema = unified(self._schemas())
        if self.columns is not None:
            require_columns(self.columns, schema.names)
            schema = pa.schema([schema.field(name) for name in self.columns])
        return ds.dataset([str(path) for path in self.paths], schema=schema, format="parquet")

    def table(self) -> pa.Table:
        return self.scannable().to_table()

    def frame(self) -> pl.DataFrame:
        return self.lazy_frame().collect()

    def lazy_frame(self) -> pl.LazyFrame:
        import polars as pl

        schemas = self._schemas() if len(self.paths) > 1 or self.columns is not None else []
        if schemas:
            names = unified(schemas).names
            require_columns(self.columns or (), names)
        if all(schema.equals(schemas[0]) for schema in schemas):
            frame = pl.scan_parquet(list(self.paths), glob=False)
        else:
            frames = [pl.scan_parquet(path, glob=False).select(names) for path in self.paths]
            frame = pl.concat(frames, how="vertical_relaxed")
        return frame if self.columns is None else frame.select(self.columns)


def only_columns(data: pa.Table | pa.dataset.Dataset, names: Sequence[str]) -> pa.Table | pa.dataset.Dataset:
    """Return data with some of its columns; with one at least, which carries the number of rows."""
    kept = [name for name in data.schema.names if name in names] or data.schema.names[:1]
    if isinstance(data, pa.Table):
        return data.select(kept)
    schema = pa.schema([data.schema.field(name) for name in kept])
    return data.replace_schema(schema)  # type: ignore[func-returns-value, return-value]  # its stub is wrong


def require_columns(columns: Sequence[str], names: Sequence[str]) -> None:
    """Raise InputError where a declared column does not exist."""
    for column in columns:
        if column not in names:
            raise InputError(
                f"there is no column {column!r}{did_you_mean(column, names)}",
                remedy=f"declare columns among {', '.join(names)}",
            )


def unified(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return the schema that all partitions can be read with.

    Raises: InputError that names the column in which two partitions differ.
    """
    first = schemas[0]
    for schema in schemas:
        if different := sorted(set(schema.names) ^ set(first.names)):
            raise InputError(
                f"the partitions do not have the same columns: only some have {', '.join(map(repr, different))}",
                remedy="materialize the older partitions again, or read them as a Mapping[str, ...] by partition",
            )
    try:
        return pa.unify_schemas(list(schemas), promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(
            f"the partitions cannot be read as one table: {error}",
            remedy="make the column's type the same in every partition, for example with schema=",
        ) from error
