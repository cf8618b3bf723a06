"""What a project writes: `@asset`, `@check`, `sql_asset`, `command_asset`, `external`, `Upstream`.

Each call makes one declaration and hands it to the load that is going on (`project.py`); outside of a load it changes
nothing: a decorated function stays the plain function that it was. Nothing is judged here, so that all wrong
definitions of a project can be reported at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypedDict, TypeVar, Unpack

from .errors import Place
from .model.checks import Severity
from .model.mapping import PartitionMapping
from .model.partitions import Partitions

Function = TypeVar("Function", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Upstream:
    """Say more about an input, inside `Annotated`: another key, a mapping, the columns to read.

    Example: `def report(sales: Annotated[pl.LazyFrame, Upstream("shop/sales", columns=["amount"])])`
    """

    asset: object = None
    mapping: PartitionMapping | None = None
    columns: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Retries:
    """Try a cell again when it failed: up to `limit` times, after `wait`, twice that, and so on up to `longest`.

    `on` names the exceptions, by class or by name, that are worth it; none: every one, but no failed check.

    Example: `@asset(retries=Retries(5, wait="10s", on=[ConnectionError]))`
    """

    limit: int
    wait: str | timedelta = "1s"
    longest: str | timedelta = "5m"
    on: Sequence[type[BaseException] | str] = ()


class Handled(TypedDict, total=False):
    """How the cells of an asset are run; nothing of it makes them stale.

    `executor`: "threads", "processes" or "dask", where it is not to be that of the run. `retries`: how often a failed
    cell is tried again, a number or `Retries(...)`. `timeout` ("10m") and `memory` ("2 GB") end a step that takes more:
    it runs in a process of its own. `pool`: one of `[pools]` in assets.toml, whose slots are shared by all runs of the
    project; a step takes `weight` of them. `concurrency`: how many of the asset's steps may run at a time. `priority`:
    of the cells that are ready, those of the highest are run first.
    """

    executor: str
    retries: int | Retries
    timeout: str | timedelta
    memory: str | int
    pool: str
    weight: int
    concurrency: int
    priority: int


@dataclass(frozen=True, slots=True)
class About:
    """What every kind of declaration says of its asset."""

    key: str
    place: Place
    partitions: Partitions | None = None
    schema: object = None
    severity: Severity | str = Severity.ERROR
    owners: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    group: str = "default"
    description: str = ""
    libraries: Sequence[str] = ()
    expires_after: str | timedelta | None = None
    handled: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FunctionDeclaration:
    """An asset made by a Python function."""

    about: About
    function: Callable[..., object]
    after: Sequence[object] = ()
    batch: bool = False


@dataclass(frozen=True, slots=True)
class SqlDeclaration:
    """An asset made by a SQL query; `upstreams` says more about tables of the query, by name, and `parameters` gives
    defaults for what the query reads as `$name`. `batch`: the column that tells the partitions of one query apart."""

    about: About
    query: str
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    after: Sequence[object] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)
    batch: str | None = None


@dataclass(frozen=True, slots=True)
class CommandDeclaration:
    """An asset made by a command; see `command_asset` for what each member may be."""

    about: About
    arguments: Sequence[str]
    upstreams: Mapping[str, Upstream] | Sequence[object] = ()
    output: str | None = None
    environment: Sequence[str | Mapping[str, str]] | Mapping[str, str] = ()
    files: Sequence[str] = ()
    folder: str = "."
    after: Sequence[object] = ()


@dataclass(frozen=True, slots=True)
class ExternalDeclaration:
    """An asset that comes from outside: a path (a file or a folder) or a function that reports its version."""

    about: About
    path: str | None = None
    version: Callable[..., object] | None = None
    read: Callable[..., object] | None = None


@dataclass(frozen=True, slots=True)
class CheckDeclaration:
    """A function that judges an asset's data before it is published."""

    asset: object
    function: Callable[..., object]
    severity: Severity | str
    place: Place


Declaration = FunctionDeclaration | SqlDeclaration | CommandDeclaration | ExternalDeclaration | CheckDeclaration

_collecting: ContextVar[list[Declaration] | None] = ContextVar("assets_core_collecting", default=None)


@contextmanager
def collecting() -> Iterator[list[Declaration]]:
    """Gather the declarations made inside the block, in the order in which they were made."""
    declarations: list[Declaration] = []
    token = _collecting.set(declarations)
    try:
        yield declarations
    finally:
        _collecting.reset(token)


def _declare(declaration: Declaration) -> None:
    declarations = _collecting.get()
    if declarations is not None:
        declarations.append(declaration)


def _place_of(function: Callable[..., object]) -> Place:
    inner = function
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    code = getattr(inner, "__code__", None)
    return Place(code.co_filename, code.co_firstlineno) if code else _place_of_caller(3)


def _place_of_caller(depth: int = 2) -> Place:
    frame = sys._getframe(depth)
    return Place(frame.f_code.co_filename, frame.f_lineno)


def declared_key(target: object) -> object:
    """Return the asset key that a reference names: a key, a decorated function, or another declaration."""
    if isinstance(target, SqlDeclaration | CommandDeclaration | ExternalDeclaration):
        return target.about.key
    return getattr(target, "__asset_key__", target)


def asset(
    *,
    key: str | None = None,
    partitions: Partitions | None = None,
    schema: object = None,
    severity: Severity | str = Severity.ERROR,
    owners: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    group: str = "default",
    after: Sequence[object] = (),
    batch: bool = False,
    libraries: Sequence[str] = (),
    expires_after: str | timedelta | None = None,
    **handled: Unpack[Handled],
) -> Callable[[Function], Function]:
    """Declare the data that a function makes as an asset.

    The function's name is the asset's key (unless `key` is given) and its docstring the description. Each parameter is
    an upstream of that name; its annotation picks what is handed over: `pl.LazyFrame`, `pl.DataFrame`, `pa.Table`,
    `pa.RecordBatchReader`, `duckdb.DuckDBPyRelation` or `pd.DataFrame`, or a `Mapping[str, ...]` of one of these by
    partition key; with `| None`, None is handed over where there is no partition to read. A parameter annotated
    `Partition` receives the partition. Parameters with a default have it, or the value that `assets.toml` gives them.

    `schema` is a pandera polars model or schema that the data must satisfy before it is published (`severity="warn"`
    publishes all the same). `after` names assets to wait for without reading them. A function whose result is annotated
    with a plain type (`str`, `float`, `dict[str, int]`, ..., None) makes a value instead of a table, which a parameter
    annotated with a plain type is handed. It may be an `async def`. With `batch=True` one call handles
    many partitions: the `Partition` parameter is annotated `Sequence[Partition]` and the function returns (or yields)
    a frame for each partition key. `libraries` names installed packages whose versions count as part of the code.
    `expires_after` (`"24h"`, `"7d"`) makes a cell stale whose data was made longer ago. How cells are run (`retries`,
    `timeout`, `memory`, `pool`, `weight`, `concurrency`, `priority`, `executor`): see `Handled`.

    Example:
        >>> import polars as pl
        >>> @asset(owners=["team:ops"])
        ... def numbers() -> pl.DataFrame:
        ...     return pl.DataFrame({"number": [1, 2]})
        >>> numbers().height
        2
    """

    def declare(function: Function) -> Function:
        name = key or str(getattr(function, "__name__", ""))
        description = (getattr(function, "__doc__", None) or "").strip()
        about = About(
            name,
            _place_of(function),
            partitions,
            schema,
            severity,
            owners,
            tags or {},
            group,
            description,
            libraries,
            expires_after,
            handled,
        )
        _declare(FunctionDeclaration(about, function, after, batch))
        function.__asset_key__ = name  # type: ignore[attr-defined]  # read by declared_key
        return function

    return declare


def check(
    asset: object,
    *,
    severity: Severity | str = Severity.ERROR,  # the word of the field
) -> Callable[[Function], Function]:
    """Declare a function that judges an asset's staged data: its one parameter receives it, as its annotation says.

    It returns a bool, a `CheckResult` (see `check_result`) or a pandera schema to judge with.

    Example:
        >>> import polars as pl
        >>> @check("numbers", severity="warn")
        ... def positive(numbers: pl.DataFrame) -> bool:
        ...     return bool((numbers["number"] > 0).all())
    """

    def declare(function: Function) -> Function:
        _declare(CheckDeclaration(declared_key(asset), function, severity, _place_of(function)))
        return function

    return declare


def sql_asset(
    key: str,
    query: str,
    *,
    partitions: Partitions | None = None,
    schema: object = None,
    severity: Severity | str = Severity.ERROR,
    owners: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    group: str = "default",
    description: str = "",
    upstreams: Mapping[str, Upstream] | None = None,
    after: Sequence[object] = (),
    parameters: Mapping[str, object] | None = None,
    batch: str | None = None,
    libraries: Sequence[str] = (),
    expires_after: str | timedelta | None = None,
    **handled: Unpack[Handled],
) -> SqlDeclaration:
    """Declare a query (DuckDB's SQL) as an asset; its upstreams are the tables that it reads.

    A query may use the parameters `$partition_key`, `$partition_start` and `$partition_end`. `upstreams` gives a
    mapping or another key to a table of the query, `parameters` a default to each other `$name` of it, which
    `assets.toml` may override. With `batch="column"` one query makes many neighbouring partitions: that column of its
    result says to which one each row belongs, by the key or by a date or time inside of it; then `$partition_start` and
    `$partition_end` are those of them all. `libraries`, `expires_after` and how it is run: see `asset`.
    """
    about = About(
        key,
        _place_of_caller(),
        partitions,
        schema,
        severity,
        owners,
        tags or {},
        group,
        description,
        libraries,
        expires_after,
        handled,
    )
    declaration = SqlDeclaration(about, query, upstreams or {}, after, parameters or {}, batch)
    _declare(declaration)
    return declaration


def command_asset(
    key: str,
    arguments: Sequence[str],
    *,
    upstreams: Mapping[str, Upstream] | Sequence[object] = (),
    output: str | None = None,
    environment: Sequence[str | Mapping[str, str]] | Mapping[str, str] = (),
    files: Sequence[str] = (),
    folder: str = ".",
    partitions: Partitions | None = None,
    schema: object = None,
    severity: Severity | str = Severity.ERROR,
    owners: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    group: str = "default",
    description: str = "",
    after: Sequence[object] = (),
    libraries: Sequence[str] = (),
    expires_after: str | timedelta | None = None,
    **handled: Unpack[Handled],
) -> CommandDeclaration:
    """Declare what a command of any language makes as an asset.

    `arguments` is run as it stands, by no shell. In each, `{partition}`, `{partition_start}`, `{partition_end}` and
    `{NAME}` of a dimension stand for the partition, `{input.NAME}` for the path of an input as one Parquet file,
    `{inputs.NAME}` for a folder with one for each partition, `{output}` for the file to write, `{report}` for where it
    may report to; `{{` and `}}` are braces. `upstreams` are keys, or a dict from names of inputs to `Upstream`.

    `output` is the format of the file it writes ("parquet", "csv", "arrow", "ndjson"); without one, the value is the
    version that it tells (see `assets_core.report`). It sees the variables that `environment` names, and those that a
    dict in it gives. `files` are of the project and count as code, as do arguments that are files of it; they are
    relative to `folder`, in which the command runs. `schema`, `libraries`, `expires_after` and the others: see `asset`.

    Example: `command_asset("model", ["Rscript", "fit.R", "{input.orders}", "{output}"], upstreams=["orders"],
    output="parquet", environment=["PATH"])`
    """
    about = About(
        key,
        _place_of_caller(),
        partitions,
        schema,
        severity,
        owners,
        tags or {},
        group,
        description,
        libraries,
        expires_after,
        handled,
    )
    declaration = CommandDeclaration(about, arguments, upstreams, output, environment, files, folder, after)
    _declare(declaration)
    return declaration


def external(
    key: str,
    *,
    path: str | None = None,
    version: Callable[..., object] | None = None,
    read: Callable[..., object] | None = None,
    partitions: Partitions | None = None,
    owners: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    group: str = "default",
    description: str = "",
) -> ExternalDeclaration:
    """Declare data that is made elsewhere: it is observed, never made.

    Give `path`, a file or folder relative to the project, with `{partition}` where partitions have a file each; its
    version is its content. Or give `version`, a function (of the `Partition`, where there are partitions) that
    returns a text, or None while the data is not there. `read` receives the `pathlib.Path` (or the `Partition`) and
    returns a frame; without it .csv, .parquet, .ndjson and .arrow files are read by their ending.
    """
    about = About(
        key, _place_of_caller(), partitions, owners=owners, tags=tags or {}, group=group, description=description
    )
    declaration = ExternalDeclaration(about, path, version, read)
    _declare(declaration)
    return declaration


def keys_of(declarations: Iterable[Declaration]) -> list[str]:
    """Return the keys of the assets among the declarations."""
    return [d.about.key for d in declarations if not isinstance(d, CheckDeclaration)]
