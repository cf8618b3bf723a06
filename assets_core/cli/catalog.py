"""`assets catalog`: look after the record of what happened."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import AsJson, ProjectFolder
from .catalog_backup import backup, restore
from .catalog_compact import compact
from .catalog_query import query
from .output import print_json, print_table, say


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        name="catalog",
        help="Look after the record of what happened.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("tables")(tables)
    group.command("query")(query)
    group.command("rebuild")(rebuild)
    group.command("compact")(compact)
    group.command("backup")(backup)
    group.command("restore")(restore)
    app.add_typer(group)


def tables(
    table: Annotated[str | None, typer.Argument(metavar="TABLE", help="Only this one, with its columns.")] = None,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print the tables, views and macros of the DuckDB index and what each is; of one of them, its columns.

    Example: assets catalog tables cell
    """
    from catalog.queries import load
    from catalog.session import Catalog

    from ..errors import UserError, did_you_mean
    from ..project import find_project

    with Catalog(find_project(project).state).read() as connection:
        found = connection.sql(load("tables")).fetchall()
        columns = connection.sql(load("columns"), params={"table": table}).fetchall() if table else []
    if table is not None and table not in {name for name, *_ in found}:
        raise UserError(
            f"there is no table {table!r}{did_you_mean(table, [name for name, *_ in found])}",
            remedy="see: assets catalog tables",
        )
    names, rows = (("column", "type", "what"), columns) if table else (("name", "kind", "rows", "what"), found)
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        print_table(names, rows)


def rebuild(
    accept_loss: Annotated[
        str | None,
        typer.Option(
            metavar="REASON", help="Go on without records that are damaged or gone, and record that and the reason."
        ),
    ] = None,
    project: ProjectFolder = None,
) -> None:
    """Make the DuckDB index again from the journal and put it in place of the present one.

    Where records are damaged or gone this is refused, unless the loss is accepted: then what cannot be read is set
    aside in the journal's folder, and the journal says from then on what it lacks and who accepted that, and why.

    Example: assets catalog rebuild
    """
    from catalog.session import Catalog

    from ..execution.actor import open_journal
    from ..lineage.relay import forget_events
    from ..project import find_project

    found = find_project(project)
    catalog = Catalog(found.state)
    if accept_loss is not None:
        lost = open_journal(found).accept_loss(accept_loss, catalog.known())
        if lost is not None:
            forget_events(found.state / "lineage" / "events.jsonl", lost["first"])
            aside = f"; set aside: {', '.join(lost['set_aside'])}" if lost["set_aside"] else ""
            gone = f"records {lost['first']} to {lost['last']} are gone" if lost["last"] >= lost["first"] else ""
            say(f"the loss is recorded: {gone or 'an incomplete end was cut off'}{aside}")
    records = catalog.rebuild(accept_loss=accept_loss is not None)
    say(f"{records} records applied")
