"""`assets lineage`: what an asset or a column comes from and goes to; the emitted OpenLineage events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .app import AsJson, AsOf, ProjectFolder
from .output import print_json, print_table, say

if TYPE_CHECKING:
    from ..project import Project


def add_to(app: typer.Typer) -> None:
    app.command("lineage")(lineage)


def lineage(
    target: Annotated[
        str, typer.Argument(metavar="ASSET[.COLUMN]", help='An asset, a column of one, or the word "events".')
    ],
    upstream: Annotated[bool, typer.Option("--upstream", help="Only what it comes from.")] = False,
    downstream: Annotated[bool, typer.Option("--downstream", help="Only what is made of it.")] = False,
    as_of: AsOf = None,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print the lineage of an asset or a column, both ways unless told; `assets lineage events` prints the
    OpenLineage events.

    Example: assets lineage carrier_months.departure_delay_minutes --upstream
    """
    from ..project import find_project

    found = find_project(project)
    if target == "events":
        _print_events(found)
        return
    directions = [word for word, wanted in (("upstream", upstream), ("downstream", downstream)) if wanted]
    edges = _edges(found, target, directions or ["upstream", "downstream"], as_of)
    if as_json:
        print_json({"target": target, "edges": edges})
        return
    if not edges:
        say(f"nothing is known of the lineage of {target} in that direction")
        return
    rows = [[edge["direction"], edge["from"], edge["to"], edge["how"]] for edge in edges]
    print_table(["direction", "from", "to", "how"], rows)


def _print_events(found: Project) -> None:
    from ..lineage.relay import Relay
    from .output import print_line

    events = found.state / "lineage" / "events.jsonl"
    Relay(found.state / "journal", events, found.settings.name).catch_up()
    if events.exists():
        with open(events, encoding="utf-8") as lines:
            for line in lines:
                print_line(line.rstrip("\n"))


def _edges(found: Project, target: str, directions: list[str], as_of: str | None) -> list[dict[str, Any]]:
    from catalog.queries import load
    from catalog.session import Catalog

    from ..errors import SelectionError, did_you_mean
    from ..keeping.moments import END, position_asked
    from ..lineage.walk import asset_edges, column_edges, declared_edges

    position = position_asked(found, as_of)
    params = {"position": position or END}
    asset, _, column = target.partition(".")
    with Catalog(found.state).read() as connection:
        columns = connection.sql(load("column_lineage"), params=params).fetchall() if column else []
        if position is not None:
            edges = connection.sql(load("asset_lineage"), params=params).fetchall()
            assets = [key for (key,) in connection.sql(load("declared_as_of"), params=params).fetchall()]
    if position is None:
        edges, assets = declared_edges(found.graph), list(found.graph.assets)
    if asset not in assets:
        when = "there is no" if position is None else "then there was no"
        raise SelectionError(f"{when} asset {asset!r}{did_you_mean(asset, assets)}", remedy="see: assets list")
    if not column:
        return [edge for direction in directions for edge in asset_edges(edges, asset, direction)]
    known_columns = {f"{row[0]}.{row[1]}" for row in columns} | {f"{row[2]}.{row[3]}" for row in columns}
    if target not in known_columns:
        raise SelectionError(
            f"nothing is recorded of column {target!r}{did_you_mean(target, known_columns)}",
            remedy="columns are known for SQL assets that were materialized",
        )
    return [edge for direction in directions for edge in column_edges(columns, target, direction)]
