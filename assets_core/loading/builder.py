"""From one declaration to one asset: its code version, its inputs, what runs for it.

Called by `build.py`. It must not know the other assets: what an input reads of which is resolved there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..checking.contract import Contract, compile_contract
from ..declare import (
    About,
    CommandDeclaration,
    ExternalDeclaration,
    FunctionDeclaration,
    SqlDeclaration,
    Upstream,
    declared_key,
)
from ..errors import DefinitionError, Place, UserError, did_you_mean
from ..lineage.sql_columns import normalised, query_tables
from ..model.asset import Asset, AssetKind, CheckSpec, HandOff
from ..model.checks import Severity
from ..model.code_part import CodePart
from ..model.handling import Handling
from ..model.keys import AssetKey, asset_key
from ..model.mapping import PartitionMapping
from ..versions.code import CodeReader, CodeVersion, code_part
from .asynchronous import synchronous
from .commands import file_shape, read_command
from .configured import Configured
from .durations import seconds_of
from .handling import read_handling
from .libraries import Libraries
from .parameters import defaults_of, json_value, overridden, parameter_parts, require_plain
from .runtime import Runtime
from .signature import Input, Signature, read_signature
from .sql_query import GIVEN, KEYS, batch_mistakes, in_fixed_order, in_lines, parameter_names
from .well_formed import path_fits, read_severity, require_types

CONTRACT = "contract"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An edge before its mapping is resolved."""

    name: str
    upstream: AssetKey
    mapping: PartitionMapping | None
    columns: tuple[str, ...] | None
    hand_off: HandOff | None
    by_partition: bool
    optional: bool = False


Outcome = tuple[Asset, Runtime, tuple[Wanted, ...], tuple[CodePart, ...]]


class AssetBuilder:
    """Builds one asset at a time; appends what is wrong to `errors` and goes on where it can."""

    def __init__(
        self, code: CodeReader, libraries: Libraries, configured: Configured, errors: list[DefinitionError]
    ) -> None:
        self._code = code
        self._libraries = libraries
        self._configured = configured
        self._errors = errors

    def build(
        self, declaration: FunctionDeclaration | SqlDeclaration | CommandDeclaration | ExternalDeclaration
    ) -> Outcome:
        require_types(declaration.about)
        match declaration:
            case FunctionDeclaration():
                return self._function(declaration)
            case SqlDeclaration():
                return self._sql(declaration)
            case CommandDeclaration():
                return self._command(declaration)
            case _:
                return self._external(declaration)

    def _function(self, declaration: FunctionDeclaration) -> Outcome:
        about, function = declaration.about, declaration.function
        signature, errors = read_signature(function, about.place, batch=declaration.batch is True)
        self._errors.extend(errors)
        self._require_partitions(declaration, signature)
        inputs = tuple(self._input(about, given) for given in signature.inputs)
        values = {} if errors else self._overridden(about, defaults_of(function), signature.hints)
        interface = ["function in batches" if declaration.batch else "function", *map(_shape, inputs)]
        if signature.partition_parameter and about.partitions is not None:
            interface.append(f"partition as {signature.partition_parameter}, {about.partitions.window_rule}")
        if signature.makes_value:
            interface.append("makes a plain value")
        more = [*parameter_parts(values), *self._library_parts(about)]
        version = self._code.version(function, interface=interface, more=more)
        asset = self._asset(
            about,
            AssetKind.FUNCTION,
            version,
            parameters=values,
            batch=declaration.batch,
            partition_parameter=signature.partition_parameter,
        )
        contract = self._contract(about)
        runtime = Runtime(synchronous(function), None, values, contract=contract, makes_value=signature.makes_value)
        return asset, runtime, (*inputs, *self._after(about, declaration.after)), version.parts

    def _require_partitions(self, declaration: FunctionDeclaration, signature: Signature) -> None:
        about = declaration.about
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
        if inspect.isasyncgenfunction(inspect.unwrap(declaration.function)) and not declaration.batch:
            self._wrong(about, "an async generator yields many frames, but makes one cell", "return it, or batch=True")

    def _sql(self, declaration: SqlDeclaration) -> Outcome:
        about = declaration.about
        names = parameter_names(declaration.query, about.place)
        values = self._sql_parameters(declaration, names)
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
        batch = self._batch_column(declaration, names)
        interface = ["query" if batch is None else f"query in batches by {batch!r}", *map(_shape, inputs)]
        if about.partitions is not None and (batch is not None or "$partition_" in query):
            interface.append(f"partition, {about.partitions.window_rule}")
        more = [
            code_part("query", "query", in_lines(query)),
            *parameter_parts(values),
            *self._library_parts(about),
        ]
        version = replace(self._code.version(interface=interface, more=more), libraries=("duckdb",))
        asset = self._asset(
            about, AssetKind.SQL, version, parameters=values, query=declaration.query, batch=batch is not None
        )
        runtime = Runtime(
            query=in_fixed_order(declaration.query),
            parameters=values,
            contract=self._contract(about),
            batch_column=batch,
        )
        return asset, runtime, (*inputs, *self._after(about, declaration.after)), version.parts

    def _batch_column(self, declaration: SqlDeclaration, names: Sequence[str]) -> str | None:
        """Return the column by which the query's partitions are told apart, None where there is a query for each."""
        about, column = declaration.about, declaration.batch
        if column is None:
            if KEYS in names and about.partitions is not None:
                remedy = 'use $partition_key, or make many partitions with one query: batch="column"'
                self._wrong(about, f"the query is of one partition, and has no ${KEYS}", remedy)
            return None
        if not isinstance(column, str) or not column:
            self._wrong(about, f"batch={column!r}", 'name a column of the result, as in batch="day"')
            return None
        if about.partitions is None:
            self._wrong(about, f"batch={column!r} is for an asset with partitions", "give partitions, or leave it out")
        for what, remedy in batch_mistakes(declaration.query, column, names):
            self._wrong(about, what, remedy)
        return column

    def _sql_parameters(self, declaration: SqlDeclaration, names: Sequence[str]) -> dict[str, object]:
        """Return the values of a query's own parameters."""
        about, given = declaration.about, declaration.parameters
        if not _is_mapping(given):
            self._wrong(about, f"parameters={given!r}", 'give a dict, as in parameters={"minimum": 100}')
            return {}
        for name, value in given.items():
            require_plain(f"parameter {name!r} of {about.key}", value)
            if name in GIVEN:
                self._wrong(about, f"every query is given ${name} by itself", "call the parameter otherwise")
            elif name not in names:
                near = did_you_mean(name, names)
                self._wrong(about, f"the query has no ${name}{near}", "use the parameter, or leave it out")
        return {**given, **self._overridden(about, given, {})}

    def _command(self, declaration: CommandDeclaration) -> Outcome:
        about = declaration.about
        read = read_command(declaration, self._configured.file.parent)
        for what, remedy in read.wrong:
            self._wrong(about, what, remedy)
        inputs = tuple(self._input(about, given) for given in read.inputs)
        self._overridden(about, {}, {})
        interface = [*read.lines, *(file_shape(each.name, each.columns, each.by_partition) for each in inputs)]
        version = self._code.version(interface=interface, more=[*read.parts, *self._library_parts(about)])
        partition = None if about.partitions is None else "partition"
        asset = self._asset(about, AssetKind.COMMAND, version, partition_parameter=partition)
        makes_value = read.command.output is None
        runtime = Runtime(command=read.command, contract=self._contract(about), makes_value=makes_value)
        return asset, runtime, (*inputs, *self._after(about, declaration.after)), version.parts

    def _external(self, declaration: ExternalDeclaration) -> Outcome:
        about = declaration.about
        if (declaration.path is None) == (declaration.version is None):
            self._wrong(about, "an external asset needs a path or a version function, not both", "give one of them")
        if declaration.path is not None and not path_fits(declaration.path, about.partitions):
            self._wrong(
                about,
                f"path {declaration.path!r} does not fit its partitions",
                "write {partition}, or the names of dimensions, in the path where, and only where, it has partitions",
            )
        self._overridden(about, {}, {})
        functions = [function for function in (declaration.version, declaration.read) if function is not None]
        interface = [
            "version told by a function" if declaration.path is None else f"path {declaration.path!r}",
            "read by its ending" if declaration.read is None else "read by a function",
        ]
        version = self._code.version(*functions, interface=interface, more=self._library_parts(about))
        # What a version function says is the version, however it finds out; how the data is read has to be known.
        unknown = () if declaration.read is None else self._code.version(declaration.read).unknown
        asset = self._asset(about, AssetKind.EXTERNAL, replace(version, unknown=unknown), path=declaration.path)
        runtime = Runtime(function=declaration.read, version=declaration.version)
        return asset, runtime, (), version.parts

    def _overridden(
        self, about: About, defaults: Mapping[str, object], hints: Mapping[str, object]
    ) -> dict[str, object]:
        values, errors = overridden(about.key, defaults, hints, self._configured)
        self._errors.extend(errors)
        return values

    def _library_parts(self, about: About) -> list[CodePart]:
        parts: list[CodePart] = []
        for name in dict.fromkeys((*self._configured.libraries, *about.libraries)):
            try:
                parts.append(self._libraries.part(name))
            except UserError as error:
                self._wrong(about, error.what, error.remedy)
        return parts

    def _expiry(self, about: About) -> int | None:
        try:
            return None if about.expires_after is None else seconds_of("expires_after", about.expires_after)
        except UserError as error:
            self._wrong(about, error.what, error.remedy)
            return None

    def _handling(self, about: About) -> Handling:
        try:
            return read_handling(about.handled, self._configured.pools)
        except UserError as error:
            self._wrong(about, error.what, error.remedy)
            return Handling()

    def _asset(
        self,
        about: About,
        kind: AssetKind,
        code: CodeVersion,
        *,
        parameters: Mapping[str, object] | None = None,
        query: str | None = None,
        path: str | None = None,
        batch: bool = False,
        partition_parameter: str | None = None,
    ) -> Asset:
        checks: tuple[CheckSpec, ...] = ()
        if about.schema is not None:
            checks = (self._check_spec(CONTRACT, about.severity, about.schema, about.place),)
        declared = (*self._configured.libraries, *about.libraries)
        return Asset(
            key=asset_key(about.key),
            kind=kind,
            place=about.place,
            code_version=code.digest,
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
            unknown=code.unknown,
            parameters={name: json_value(value) for name, value in (parameters or {}).items()},
            libraries_not_followed=self._libraries.not_followed(code.libraries, declared),
            expires_after_seconds=self._expiry(about),
            handling=self._handling(about),
        )

    def _check_spec(self, name: str, severity: Severity | str, judge: object, place: Place) -> CheckSpec:
        version = self._code.version(judge if callable(judge) else _holding(judge), interface=(str(severity),))
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

    def _input(self, about: About, given: Input) -> Wanted:
        declared, columns = given.declared, given.declared.columns
        if columns is not None and (
            isinstance(columns, str) or not columns or not all(isinstance(c, str) for c in columns)
        ):
            self._wrong(about, f"columns={columns!r} of input {given.name!r}", 'give a list, as in columns=["carrier"]')
            columns = None
        return Wanted(
            given.name,
            _reference(given.upstream, f"input {given.name!r}"),
            declared.mapping,
            None if columns is None else tuple(columns),
            given.hand_off,
            given.by_partition,
            given.optional,
        )

    def _after(self, about: About, after: Sequence[object]) -> list[Wanted]:
        if isinstance(after, str):
            self._wrong(about, f"after={after!r} is a text", f"give a list: after=[{after!r}]")
            return []
        keys = [_reference(declared_key(reference), "after") for reference in after]
        return [Wanted(f"after {key}", key, None, None, None, False) for key in keys]

    def _wrong(self, about: About, what: str, remedy: str) -> None:
        self._errors.append(DefinitionError(f"{about.key}: {what}", place=about.place, remedy=remedy))


def _shape(edge: Wanted) -> str:
    """Return what is handed over for an input, as a line of the interface."""
    text = f"input {edge.name}: {edge.hand_off}"
    text += " by partition" if edge.by_partition else " or None" if edge.optional else ""
    return text if edge.columns is None else f"{text}, columns {list(edge.columns)!r}"


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _table_input(table: str, upstream: Upstream) -> Input:
    key = table if upstream.asset is None else declared_key(upstream.asset)
    return Input(table, key, upstream, HandOff.DUCKDB, False)


def _reference(target: object, what: str) -> AssetKey:
    if not isinstance(target, str):
        raise UserError(f"{what} names {target!r}, which is not an asset", remedy="name a key or a decorated function")
    return asset_key(target)


def _holding(value: object) -> Callable[..., object]:
    """Return a function whose closure holds a value, so that its version follows the value."""

    def holder() -> object:
        return value

    return holder
