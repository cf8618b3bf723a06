"""`assets diff`: what is different between two versions of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .app import AsJson, ProjectFolder
from .output import print_json, print_line, print_table, say

if TYPE_CHECKING:
    from ..keeping.compare import Difference, Version

_STATISTICS = ("nulls", "distinct", "nan", "min", "max", "mean")


def add_to(app: typer.Typer) -> None:
    app.command("diff")(diff)


def diff(
    cell: Annotated[
        str, typer.Argument(metavar="CELL", help="asset@partition, or the asset where it has no partitions.")
    ],
    before: Annotated[
        str,
        typer.Argument(
            metavar="V1",
            help="A version's first six digits or more, `current`, `previous`, a time, or a journal record.",
        ),
    ],
    after: Annotated[str, typer.Argument(metavar="V2", help="The version to compare it with, likewise.")] = "current",
    key: Annotated[
        str | None, typer.Option("--key", metavar="COLUMNS", help="Columns that name a row, by commas.")
    ] = None,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print how the data of a cell differs between two of its versions: columns, rows, statistics of each column.

    Without --key, rows are counted as they are: a changed row is one removed and one added.

    Example: assets diff carrier_months@2013-01 previous --key carrier
    """
    from datetime import UTC, datetime

    from ..keeping.compare import compare
    from ..project import find_project

    columns = [name.strip() for name in key.split(",")] if key else []
    found = compare(find_project(project), cell, before, after, datetime.now(UTC), columns)
    facts = _facts(found)
    if as_json:
        print_json(facts)
    else:
        _print(found, facts)


def _facts(found: Difference) -> dict[str, Any]:
    before, after = found.before.types, found.after.types
    return {
        "asset": found.cell.asset,
        "partition": found.cell.partition,
        "before": _version(found.before),
        "after": _version(found.after),
        "schema": {
            "added": [{"name": name, "type": kind} for name, kind in after.items() if name not in before],
            "removed": [{"name": name, "type": kind} for name, kind in before.items() if name not in after],
            "changed": [
                {"name": name, "before": kind, "after": after[name]}
                for name, kind in before.items()
                if name in after and after[name] != kind
            ],
        },
        "rows": {"added": found.added, "removed": found.removed, "changed": found.changed},
        "changed_columns": found.changed_columns,
        "examples": found.examples,
    }


def _version(version: Version) -> dict[str, Any]:
    return {
        "version": version.publication.version,
        "made_at": version.publication.made_at,
        "rows": version.rows,
        "columns": [{"name": c.name, "type": c.type, **c.statistics} for c in version.columns],
    }


def _print(found: Difference, facts: dict[str, Any]) -> None:
    sides = [
        f"{side['version'][:12]} of {side['made_at']}: {side['rows']} rows"
        for side in (facts["before"], facts["after"])
    ]
    say(f"{found.cell}: {sides[0]} -> {sides[1]}")
    if found.is_equal:
        other = found.before.publication.version != found.after.publication.version
        say("the same columns and rows" + (", in another order or form" if other else ""))
        return
    schema = facts["schema"]
    for sort, sign in (("added", "+"), ("removed", "-")):
        for column in schema[sort]:
            print_line(f"{sign} column {column['name']} {column['type']}")
    for column in schema["changed"]:
        print_line(f"~ column {column['name']} {column['before']} -> {column['after']}")
    changed = "" if found.changed is None else f", {found.changed} changed"
    print_line(f"rows: {found.added} added, {found.removed} removed{changed}")
    print_table(
        ["column", *(f"{name}" for name in _STATISTICS), *(["changed rows"] if found.changed is not None else [])],
        list(_statistics(found)),
    )
    for sort, sign in (("added", "+"), ("removed", "-")):
        for row in found.examples.get(sort, []):
            print_line(f"{sign} {_words(row)}")
    for row in found.examples.get("changed", []):
        changes = {name: f"{values['before']} -> {values['after']}" for name, values in row["columns"].items()}
        print_line(f"~ {_words(row['key'])}: {_words(changes)}")


def _statistics(found: Difference) -> list[list[object]]:
    """Return a row a column: each number once where both versions agree, else as before -> after."""
    sides = [{c.name: c.statistics for c in version.columns} for version in (found.before, found.after)]
    rows: list[list[object]] = []
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        values: list[object] = [name]
        for statistic in _STATISTICS:
            told = [_text(side[name][statistic]) for side in sides if name in side]
            values.append(" -> ".join(dict.fromkeys(told)))
        rows.append([*values, *([found.changed_columns.get(name, 0)] if found.changed is not None else [])])
    return rows


def _text(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _words(row: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_text(value) if value is not None else 'null'}" for name, value in row.items())
