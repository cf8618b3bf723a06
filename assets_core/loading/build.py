"""From declarations to assets and to what runs for them; finds every wrong definition, not only the first.

Called by `load.py`. It must not know where declarations come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..declare import CheckDeclaration, Declaration
from ..errors import DefinitionError, UserError, did_you_mean
from ..model.asset import Asset, AssetKind, CheckSpec, Edge, HandOff
from ..model.checks import Check
from ..model.code_part import CodePart
from ..model.graph import graph_errors
from ..model.keys import AssetKey
from ..model.mapping import AllPartitions, MappingError, PartitionMapping, resolve
from ..model.partitions import Partitions
from ..versions.code import CodeReader
from .asynchronous import synchronous
from .builder import CONTRACT, AssetBuilder, Wanted
from .configured import Configured
from .libraries import Libraries
from .runtime import Runtime
from .signature import read_signature
from .value_edges import value_errors
from .well_formed import read_severity


@dataclass(slots=True)
class Built:
    """The outcome: assets in the order of their declaration, what runs for each, what its code is made of, all errors.

    `libraries`: the distributions whose versions count for some asset.
    """

    assets: list[Asset] = field(default_factory=list)
    runtimes: dict[AssetKey, Runtime] = field(default_factory=dict)
    parts: dict[AssetKey, tuple[CodePart, ...]] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    errors: list[DefinitionError] = field(default_factory=list)


def build(declarations: Iterable[Declaration], code: CodeReader, configured: Configured) -> Built:
    """Return the assets of the declarations and everything that is wrong with them."""
    libraries = Libraries()
    built = Built(libraries=libraries.installed)
    configured = _with_installed(configured, libraries, built.errors)
    builder = AssetBuilder(code, libraries, configured, built.errors)
    wanted: dict[int, tuple[Wanted, ...]] = {}
    declarations = list(declarations)
    for declaration in declarations:
        if isinstance(declaration, CheckDeclaration):
            continue
        try:
            asset, runtime, edges, parts = builder.build(declaration)
        except UserError as error:
            place = getattr(error, "place", declaration.about.place)
            built.errors.append(DefinitionError(error.what, place=place, remedy=error.remedy))
            continue
        wanted[len(built.assets)] = edges
        built.assets.append(asset)
        built.runtimes[asset.key] = runtime
        built.parts[asset.key] = parts
    partitions = {asset.key: asset.partitions for asset in built.assets}
    for position, asset in enumerate(built.assets):
        resolved = tuple(_resolve(asset, edge, partitions, built.errors) for edge in wanted[position])
        built.assets[position] = replace(asset, edges=resolved)
        built.errors.extend(value_errors(built.assets[position], partitions, built.runtimes))
    for declaration in declarations:
        if isinstance(declaration, CheckDeclaration):
            _add_check(declaration, built, code)
    built.errors.extend(graph_errors(built.assets))
    return built


def _with_installed(configured: Configured, libraries: Libraries, errors: list[DefinitionError]) -> Configured:
    """Return what is configured with those libraries of all assets that are installed; the others are errors."""
    found: list[str] = []
    for name in configured.libraries:
        try:
            libraries.part(name)
            found.append(name)
        except UserError as error:
            place = configured.place("project", "libraries")
            errors.append(DefinitionError(error.what, place=place, remedy=error.remedy))
    return replace(configured, libraries=tuple(found))


def _resolve(
    asset: Asset, wanted: Wanted, partitions: dict[AssetKey, Partitions | None], errors: list[DefinitionError]
) -> Edge:
    mapping: PartitionMapping = AllPartitions()
    if wanted.upstream in partitions:
        try:
            mapping = resolve(wanted.mapping, asset.partitions, partitions[wanted.upstream])
        except MappingError as error:
            what = f"{asset.key} cannot read {wanted.upstream}: {error.what}"
            errors.append(DefinitionError(what, place=asset.place, remedy=error.remedy))
    if wanted.upstream == asset.key and wanted.hand_off is not None and not wanted.optional:
        what = f"{asset.key} reads its own earlier partitions, but the first one has none before it"
        remedy = f"annotate {wanted.name} so that it may be None, as in pl.DataFrame | None; a query cannot do that"
        if asset.kind is AssetKind.COMMAND:
            remedy = f"let the command read a folder, which may be empty: {{inputs.{wanted.name}}}"
        errors.append(DefinitionError(what, place=asset.place, remedy=remedy))
    return Edge(
        wanted.name,
        wanted.upstream,
        mapping,
        wanted.columns,
        wanted.hand_off,
        wanted.by_partition,
        wanted.optional,
    )


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
    if hand_off is HandOff.VALUE and not built.runtimes[asset.key].makes_value:
        remedy = "annotate its parameter with a table, as in data: pl.DataFrame"
        what = f"check {name} is annotated with a plain type, but {asset.key} makes a table"
        errors.append(DefinitionError(what, place=declaration.place, remedy=remedy))
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
    version = code.version(declaration.function, interface=(severity, hand_off))
    spec = CheckSpec(name, severity, version.digest)
    built.assets[position] = replace(asset, checks=(*asset.checks, spec))
    runtime = built.runtimes[asset.key]
    runtime.checks.append((Check(name, asset.key, synchronous(declaration.function), severity), hand_off))


def _check_hand_off(declaration: CheckDeclaration, name: str) -> tuple[HandOff | None, list[DefinitionError]]:
    signature, errors = read_signature(declaration.function, declaration.place)
    if not errors and len(signature.inputs) != 1:
        remedy = "give it one parameter annotated with what it is handed, as in data: pl.DataFrame"
        what = f"check {name} has {len(signature.inputs)} parameters for data"
        errors.append(DefinitionError(what, place=declaration.place, remedy=remedy))
    return (None if errors else signature.inputs[0].hand_off), errors
