"""`assets show`: the data of an asset: schema, rows, first rows; now or as it was."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import AsJson, AsOf, ProjectFolder
from .output import print_json, print_table, say


def add_to(app: typer.Typer) -> None:
    app.command("show")(show)


def show(
    asset: Annotated[str, typer.Argument(metavar="ASSET", help="The asset's key.")],
    partition: Annotated[str | None, typer.Option("--partition", metavar="KEY", help="Only this partition.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many first rows.")] = 10,
    as_of: AsOf = None,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print the schema, the number of rows and the first rows of an asset's published data.

    Example: assets show carrier_months --partition 2013-01 --limit 5
    """
    from ..keeping.moments import position_asked
    from ..project import find_project
    from ..published import reading, rows_of

    found = find_project(project)
    with reading(found, position_asked(found, as_of)) as published:
        cells = published.cells(asset, partition)
        relation = published.relation(published.connect(), cells)
        columns = [
            {"name": name, "type": str(kind)} for name, kind in zip(relation.columns, relation.types, strict=True)
        ]
        first = rows_of(relation.limit(limit))
    facts = {
        "asset": asset,
        "partition": partition,
        "cells": len(cells.files),
        "rows": cells.rows,
        "bytes": cells.size_bytes,
    }
    if as_json:
        rows = [dict(zip(relation.columns, row, strict=True)) for row in first]
        print_json({**facts, "schema": columns, "first": rows})
        return
    say(
        f"{asset}{f'@{partition}' if partition else ''}: {cells.rows} rows, {len(columns)} columns,"
        f" {len(cells.files)} cells, {cells.size_bytes} bytes"
    )
    print_table([f"{column['name']} ({column['type']})" for column in columns], first)
