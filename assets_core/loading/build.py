"""From declarations to assets and to what runs for them; finds every wrong definition, not only the first.

Called by `load.py`. It must not know where declarations come from.
"""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..checking.contract import Contract, compile_contract
from ..declare import (
    About,
    CheckDeclaration,
    Declaration,
    ExternalDeclaration,
    FunctionDeclaration,
    SqlDeclaration,
    Upstream,
    declared_key,
)
from ..errors import DefinitionError, Place, UserError, did_you_mean
from ..lineage.sql_columns import normalised, query_tables
from ..model.asset import Asset, AssetKind, CheckSpec, Edge, HandOff
from ..model.checks import Check, Severity
from ..model.graph import graph_errors
from ..model.keys import AssetKey, asset_key
from ..model.mapping import AllPartitions, MappingError, PartitionMapping, resolve
from ..model.partitions import Partitions, ProductPartitions
from ..versions.code import CodeReader, digest_text
from .signature import Input, read_signature
from .sql_query import check_syntax, in_fixed_order

CONTRACT = "contract"


@dataclass(slots=True)
class Runtime:
    """What runs for one asset: its function (the reader of an external one) or query, its contract, its checks with the
    hand-off that each wants."""

    function: Callable[..., object] | None = None
    query: str | None = None
    version: Callable[..., object] | None = None
    contract: Contract | None = None
    checks: list[tuple[Check, HandOff]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An edge before its mapping is resolved."""

    name: str
    upstream: AssetKey
    mapping: PartitionMapping | None
    columns: tuple[str, ...] | None
    hand_off: HandOff | None
    by_partition: bool


@dataclass(slots=True)
class Built:
    """The outcome: assets in the order of their declaration, what runs for each, and all errors."""

    assets: list[Asset] = field(default_factory=list)
    runtimes: dict[AssetKey, Runtime] = field(default_factory=dict)
    errors: list[DefinitionError] = field(default_factory=list)


def build(declarations: Iterable[Declaration], code: CodeReader) -> Built:
    """Return the assets of the declarations and everything that is wrong with them."""
    built = Built()
    wanted: dict[int, tuple[_Wanted, ...]] = {}
    declarations = list(declarations)
    for declaration in declarations:
        if isinstance(declaration, CheckDeclaration):
            continue
        try:
            asset, runtime, edges = _Builder(code, built.errors).build(declaration)
        except UserError as error:
            place = getattr(error, "place", declaration.about.place)
            built.errors.append(DefinitionError(error.what, place=place, remedy=error.remedy))
            continue
        wanted[len(built.assets)] = edges
        built.assets.append(asset)
        built.runtimes[asset.key] = runtime
    partitions = {asset.key: asset.partitions for asset in built.assets}
    for position, asset in enumerate(built.assets):
        resolved = tuple(_resolve(asset, edge, partitions, built.errors) for edge in wanted[position])
        built.assets[position] = replace(asset, edges=resolved)
    for declaration in declarations:
        if isinstance(declaration, CheckDeclaration):
            _add_check(declaration, built, code)
    built.errors.extend(graph_errors(built.assets))
    return built


class _Builder:
    """Builds one asset; appends what is wrong to `errors` and goes on where it can."""

    def __init__(self, code: CodeReader, errors: list[DefinitionError]) -> None:
        self._code = code
        self._errors = errors

    def build(
        self, declaration: FunctionDeclaration | SqlDeclaration | ExternalDeclaration
    ) -> tuple[Asset, Runtime, tuple[_Wanted, ...]]:
        match declaration:
            case FunctionDeclaration():
                return self._function(declaration)
            case SqlDeclaration():
                return self._sql(declaration)
            case _:
                return self._external(declaration)

    def _function(self, declaration: FunctionDeclaration) -> tuple[Asset, Runtime, tuple[_Wanted, ...]]:
        about, function = declaration.about, declaration.function
        signature, errors = read_signature(function, about.place)
        self._errors.extend(errors)
        if declaration.batch and (about.partitions is None or not signature.batch_partitions):
            self._wrong(
                about,
                "batch=True is for an asset with partitions whose function takes them",
                "give partitions=..., and a parameter annotated Sequence[Partition]",
            )
        elif signature.batch_partitions and not declaration.batch:
            self._wrong(about, "a Sequence[Partition] is handed to batched functions only", "say batch=True")
        elif signature.partition_parameter and about.partitions is None:
            self._wrong(about, "a Partition parameter needs an asset with partitions", "give partitions=...")
        inputs = tuple(self._input(about, given) for given in signature.inputs)
        shape = [f"{edge.name} {edge.hand_off} {edge.by_partition} {edge.columns}" for edge in inputs]
        if signature.partition_parameter and about.partitions is not None:
            shape.append(f"{signature.partition_parameter} {about.partitions.window_rule}")
        version = self._code.version(function, extra=("function", str(declaration.batch), *shape))
        asset = self._asset(
            about,
            AssetKind.FUNCTION,
            version.digest,
            batch=declaration.batch,
            partition_parameter=signature.partition_parameter,
            unknown=version.unknown,
        )
        runtime = Runtime(function=function, contract=self._contract(about))
        return asset, runtime, (*inputs, *self._after(about, declaration.after))

    def _sql(self, declaration: SqlDeclaration) -> tuple[Asset, Runtime, tuple[_Wanted, ...]]:
        about = declaration.about
        check_syntax(declaration.query, about.place)
        tables = query_tables(declaration.query)
        for name in declaration.upstreams:
            if name not in tables:
                self._wrong(
                    about,
                    f"the query reads no table {name!r}{did_you_mean(name, tables)}",
                    f"describe one of {', '.join(tables) or 'its tables (it has none)'}",
                )
        inputs = tuple(
            self._input(about, _table_input(table, declaration.upstreams.get(table, Upstream()))) for table in tables
        )
        query = normalised(declaration.query)
        shape = [f"{edge.name} {edge.columns}" for edge in inputs]
        if "$partition_" in query and about.partitions is not None:
            shape.append(about.partitions.window_rule)
        asset = self._asset(about, AssetKind.SQL, digest_text("sql", query, *shape), query=declaration.query)
        runtime = Runtime(query=in_fixed_order(declaration.query), contract=self._contract(about))
        return asset, runtime, (*inputs, *self._after(about, declaration.after))

    def _external(self, declaration: ExternalDeclaration) -> tuple[Asset, Runtime, tuple[_Wanted, ...]]:
        about = declaration.about
        if (declaration.path is None) == (declaration.version is None):
            self._wrong(about, "an external asset needs a path or a version function, not both", "give one of them")
        if declaration.path is not None and not _fits(declaration.path, about.partitions):
            self._wrong(
                about,
                f"path {declaration.path!r} does not fit its partitions",
                "write {partition}, or the names of dimensions, in the path where, and only where, it has partitions",
            )
        functions = [function for function in (declaration.version, declaration.read) if function is not None]
        versions = [self._code.version(function) for function in functions]
        code_version = digest_text("external", declaration.path or "", *(version.digest for version in versions))
        # What a version function says is the version, however it finds out; how the data is read has to be known.
        unknown = () if declaration.read is None else versions[-1].unknown
        asset = self._asset(about, AssetKind.EXTERNAL, code_version, path=declaration.path, unknown=unknown)
        return asset, Runtime(function=declaration.read, version=declaration.version), ()

    def _asset(
        self,
        about: About,
        kind: AssetKind,
        code_version: str,
        *,
        query: str | None = None,
        path: str | None = None,
        batch: bool = False,
        partition_parameter: str | None = None,
        unknown: tuple[str, ...] = (),
    ) -> Asset:
        _require_types(about)
        checks: tuple[CheckSpec, ...] = ()
        if about.schema is not None:
            checks = (self._check_spec(CONTRACT, about.severity, about.schema, about.place),)
        return Asset(
            key=asset_key(about.key),
            kind=kind,
            place=about.place,
            code_version=code_version,
            partitions=about.partitions,
            checks=checks,
            owners=tuple(about.owners),
            tags={str(name): str(value) for name, value in about.tags.items()},
            group=about.group,
            description=inspect.cleandoc(about.description),
            query=query,
            path=path,
            batch=batch,
            partition_parameter=partition_parameter,
            unknown=unknown,
        )

    def _check_spec(self, name: str, severity: Severity | str, judge: object, place: Place) -> CheckSpec:
        version = self._code.version(judge if callable(judge) else _holding(judge), extra=(str(severity),))
        return CheckSpec(name, read_severity(severity, place), version.digest)

    def _contract(self, about: About) -> Contract | None:
        if about.schema is None:
            return None
        try:
            return compile_contract(about.schema, severity=read_severity(about.severity, about.place), name=CONTRACT)
        except TypeError as error:
            what, _, remedy = str(error).partition("\n  remedy: ")
            self._wrong(about, f"schema= cannot be used: {what}", remedy or "give a pandera.polars DataFrameModel")
            return None

    def _input(self, about: About, given: Input) -> _Wanted:
        declared, columns = given.declared, given.declared.columns
        if columns is not None and (
            isinstance(columns, str) or not columns or not all(isinstance(c, str) for c in columns)
        ):
            self._wrong(about, f"columns={columns!r} of input {given.name!r}", 'give a list, as in columns=["carrier"]')
            columns = None
        return _Wanted(
            given.name,
            _reference(given.upstream, f"input {given.name!r}"),
            declared.mapping,
            None if columns is None else tuple(columns),
            given.hand_off,
            given.by_partition,
        )

    def _after(self, about: About, after: Sequence[object]) -> list[_Wanted]:
        if isinstance(after, str):
            self._wrong(about, f"after={after!r} is a text", f"give a list: after=[{after!r}]")
            return []
        keys = [_reference(declared_key(reference), "after") for reference in after]
        return [_Wanted(f"after {key}", key, None, None, None, False) for key in keys]

    def _wrong(self, about: About, what: str, remedy: str) -> None:
        self._errors.append(DefinitionError(f"{about.key}: {what}", place=about.place, remedy=remedy))


def _fits(path: str, partitions: Partitions | None) -> bool:
    """Tell whether a path names the partition where there are some, and nothing that a partition does not have."""
    if partitions is None:
        return "{partition}" not in path
    try:
        named = {name for _, name, _, _ in string.Formatter().parse(path) if name is not None}
    except ValueError:  # a brace that is not closed
        return False
    dimensions = dict(partitions.dimensions) if isinstance(partitions, ProductPartitions) else {}
    return bool(named) and named <= {"partition", *dimensions}


def _require_types(about: About) -> None:
    """Refuse what an annotation would have refused: a list of owners that is one text, a tag list, a class."""
    read_severity(about.severity, about.place)
    wanted = {
        "partitions": (Partitions | None, "partitions=DailyPartitions(...)"),
        "owners": (list | tuple, 'owners=["team:data"]'),
        "tags": (Mapping, 'tags={"domain": "sales"}'),
        "group": (str, 'group="marts"'),
        "description": (str, 'description="what it is"'),
    }
    for name, (kind, example) in wanted.items():
        if not isinstance(value := getattr(about, name), kind):
            raise UserError(f"{about.key}: {name}={value!r}", remedy=f"write it as in {example}")


def _table_input(table: str, upstream: Upstream) -> Input:
    key = table if upstream.asset is None else declared_key(upstream.asset)
    return Input(table, key, upstream, HandOff.DUCKDB, False)


def _reference(target: object, what: str) -> AssetKey:
    if not isinstance(target, str):
        raise UserError(f"{what} names {target!r}, which is not an asset", remedy="name a key or a decorated function")
    return asset_key(target)


def read_severity(severity: Severity | str, place: Place) -> Severity:
    """Return the severity that a declaration names."""
    try:
        return Severity(severity)
    except ValueError:
        raise DefinitionError(
            f"severity={severity!r}", place=place, remedy='use "error" (blocks publishing) or "warn"'
        ) from None


def _holding(value: object) -> Callable[..., object]:
    """Return a function whose closure holds a value, so that its version follows the value."""

    def holder() -> object:
        return value

    return holder


def _resolve(
    asset: Asset, wanted: _Wanted, partitions: dict[AssetKey, Partitions | None], errors: list[DefinitionError]
) -> Edge:
    mapping: PartitionMapping = AllPartitions()
    if wanted.upstream in partitions:
        try:
            mapping = resolve(wanted.mapping, asset.partitions, partitions[wanted.upstream])
        except MappingError as error:
            what = f"{asset.key} cannot read {wanted.upstream}: {error.what}"
            errors.append(DefinitionError(what, place=asset.place, remedy=error.remedy))
    return Edge(wanted.name, wanted.upstream, mapping, wanted.columns, wanted.hand_off, wanted.by_partition)


def _add_check(declaration: CheckDeclaration, built: Built, code: CodeReader) -> None:
    name = getattr(declaration.function, "__name__", "check")
    try:
        position = [asset.key for asset in built.assets].index(declaration.asset)  # type: ignore[arg-type]
    except ValueError:
        known = [asset.key for asset in built.assets]
        built.errors.append(
            DefinitionError(
                f"check {name} judges {declaration.asset!r}, which is not an asset"
                f"{did_you_mean(str(declaration.asset), known)}",
                place=declaration.place,
                remedy="name an asset's key or its decorated function",
            )
        )
        return
    asset = built.assets[position]
    hand_off, errors = _check_hand_off(declaration, name)
    if name in {spec.name for spec in asset.checks}:
        remedy = f"rename one of them; {CONTRACT} is the name of schema="
        errors.append(DefinitionError(f"{asset.key} has two checks {name!r}", place=declaration.place, remedy=remedy))
    if asset.is_external:
        remedy = "check the asset that reads it"
        errors.append(DefinitionError(f"check {name} judges an external asset", place=declaration.place, remedy=remedy))
    try:
        severity = read_severity(declaration.severity, declaration.place)
    except DefinitionError as error:
        errors.append(error)
    if errors or hand_off is None:
        built.errors.extend(errors)
        return
    version = code.version(declaration.function, extra=(severity, hand_off))
    spec = CheckSpec(name, severity, version.digest)
    built.assets[position] = replace(asset, checks=(*asset.checks, spec))
    runtime = built.runtimes[asset.key]
    runtime.checks.append((Check(name, asset.key, declaration.function, severity), hand_off))


def _check_hand_off(declaration: CheckDeclaration, name: str) -> tuple[HandOff | None, list[DefinitionError]]:
    signature, errors = read_signature(declaration.function, declaration.place)
    if not errors and len(signature.inputs) != 1:
        remedy = "give it one parameter annotated with what it is handed, as in data: pl.DataFrame"
        what = f"check {name} has {len(signature.inputs)} parameters for data"
        errors.append(DefinitionError(what, place=declaration.place, remedy=remedy))
    return (None if errors else signature.inputs[0].hand_off), errors
