"""`assets query`: SQL over the published data of all assets, now or as it was."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import AsJson, AsOf, ProjectFolder
from .output import print_json, print_table


def add_to(app: typer.Typer) -> None:
    app.command("query")(query)


def query(
    sql: Annotated[
        str,
        typer.Argument(metavar="SQL", help="A query in DuckDB's SQL; tables are asset keys (quote one with a slash)."),
    ],
    as_of: AsOf = None,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Ask the published data of all assets in SQL. Read only.

    Example: assets query "SELECT carrier, sum(flights) FROM carrier_months GROUP BY carrier ORDER BY 2 DESC"
    """
    from ..keeping.moments import position_asked
    from ..project import find_project
    from ..published import reading

    found = find_project(project)
    with reading(found, position_asked(found, as_of)) as published:
        columns, rows = published.ask(published.connect(), sql)
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)
