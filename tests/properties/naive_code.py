"""What in the sources of a random project decides what: of the data, of the verdict on it, of what counts of an input.

Used by the oracle. It must not use the product, nor look at what was made.
"""

from __future__ import annotations

from naive_partitions import Reading, Scheme, Slot
from random_project import COLUMNS, WEIGHTS, Asset, Frame, Input, Project

Code = tuple[object, ...]
Counted = tuple[tuple[str, ...], bool] | None
"""The names of the columns that count, and whether the schema does; None: everything."""


def counted(asset: Asset, given: Input, upstream: Asset) -> Counted:
    """Return what counts of an input for the cells of an asset.

    Of a lazy frame that is what is asked of it, and always its schema too, unless all that was declared is asked for.
    """
    if upstream.is_external:
        return None
    declared = None if given.columns is None else (tuple(sorted(given.columns)), False)
    names = tuple(sorted(given.used))
    if asset.kind != "function":
        return declared if asset.opaque else (names, given.star)
    if given.hand_off != "pl.LazyFrame" or (declared is not None and names == declared[0]):
        return declared
    return names, True


def code(asset: Asset, project: Project) -> Code:
    """Return everything in the sources that decides what an asset's function, query or reader does with its inputs."""
    factors = project.factors
    if asset.is_external:
        return (asset.path, ("read_csv", factors["read"]) if asset.reader else None)
    inputs = [
        (g.name, g.columns, g.weight, g.used, g.hand_off, g.by_partition, g.optional, g.star) for g in asset.inputs
    ]
    knows_partition = asset.uses_place or asset.batch
    rule: object = asset.scheme.rule if knows_partition and isinstance(asset.scheme, Scheme) else None
    same: Code = (
        asset.constant,
        asset.divisor,
        asset.uses_place,
        rule,
        asset.extra,
        asset.tilt,
        asset.bonus if asset.kind == "function" else asset.bonus is not None,
    )
    if asset.kind != "function":
        inputs = [(*given[:4], "", False, False, given[7]) for given in inputs]
        return ("sql", *same, tuple(inputs), asset.opaque)
    helped = {"": (), "x": (factors["x"],), "y": (factors["x"], factors["y"])}[asset.helper]
    return ("function", *same, tuple(inputs), asset.helper, helped, asset.fails, asset.form, asset.batch)


def bonus(asset: Asset, project: Project) -> int | None:
    """Return the value of an asset's parameter."""
    return None if asset.bonus is None else project.settings.get(asset.key, asset.bonus)


def setting(asset: Asset, project: Project) -> int | None:
    """Return what is bound to the code from outside: the parameter of a query; of a function, which has a default in
    its text, what the settings say."""
    is_set = asset.kind != "function" or asset.key in project.settings
    return bonus(asset, project) if is_set else None


def library(asset: Asset, project: Project) -> str | None:
    """Return the version of the library that an asset declares."""
    return project.library if asset.library else None


def checks(asset: Asset) -> Code:
    """Return everything in the sources that decides the verdict on an asset's data."""
    return (asset.contract, asset.check)


def passes(asset: Asset, frame: Frame) -> bool:
    """Tell whether no check of severity error fails."""
    limit, limit_severity = asset.contract or (0, "warn")
    remainder, check_severity = asset.check or (0, "warn")
    holds = all(row[frame.columns.index("n")] < limit for row in frame.rows)
    differs = total(frame, COLUMNS) % 5 != remainder
    return (holds or limit_severity == "warn") and (differs or check_severity == "warn")


def total(frame: Frame, names: tuple[str, ...]) -> int:
    """Return the sum of some columns, each by its weight."""
    places = [(frame.columns.index(name), WEIGHTS[name]) for name in names]
    return sum(weight * row[place] for row in frame.rows for place, weight in places)


def place(asset: Asset, slot: Slot) -> int:
    """Return what a cell knows of its partition."""
    assert slot.key is not None
    if asset.kind != "function":
        return ord(slot.key[-1])
    hours = 0 if slot.start is None or slot.end is None else int((slot.end - slot.start).total_seconds()) // 3600
    return sum(slot.key.encode()) % 11 + hours


def meaning(reading: Reading, downstream: Scheme | None, upstream: Scheme | None) -> object:
    """Return what a mapping says once all that is inferred is filled in: by it, an input is wired anew or as it was."""
    match reading.kind:
        case "all":
            return "all"
        case "window":
            return ("window", reading.last, reading.offset)
        case "newest":
            return "newest"
        case "table":
            return ("table", reading.table)
        case "same" | "fixed":  # the function is known by its name
            return ("function", "same_key" if reading.kind == "same" else "lambda")
        case "from_dimension":
            name, inner = reading.dimensions[0]
            assert downstream is not None
            return ("from", name, meaning(inner, dict(downstream.dimensions)[name], upstream))
    if downstream is None or upstream is None:
        return "all"
    if upstream.kind == "product":
        return ("by", *_by_dimension(dict(reading.dimensions), downstream, upstream))
    if downstream.kind == "product":
        name, fitting = next((n, part) for n, part in downstream.dimensions if _fits(part, upstream))
        return ("from", name, meaning(Reading(), fitting, upstream))
    if downstream.is_time and downstream.rule != upstream.rule:
        return ("window", None, 0)
    return "identity"


def _by_dimension(given: dict[str, Reading], downstream: Scheme, upstream: Scheme) -> list[object]:
    own = dict(downstream.dimensions)
    found: list[object] = []
    for name, dimension in upstream.dimensions:
        reading = given.get(name, Reading())
        if downstream.kind == "product":
            found.append((name, meaning(reading, own.get(name), dimension)))
        elif name in given or _alike(downstream, dimension):
            found.append((name, meaning(reading, downstream, dimension)))
        else:
            found.append((name, "all"))
    return found


def _fits(dimension: Scheme, upstream: Scheme) -> bool:
    if dimension.kind == upstream.kind == "static":
        return set(dimension.keys) <= set(upstream.keys)
    return dimension.is_time if upstream.is_time else (dimension.kind, dimension.name) == (upstream.kind, upstream.name)


def _alike(one: Scheme, other: Scheme) -> bool:
    if "dynamic" in (one.kind, other.kind):
        return (one.kind, one.name) == (other.kind, other.name)
    return (one.is_time and other.is_time) or bool(set(one.keys) & set(other.keys))
