"""`assets catalog`: prove or rebuild the record of what happened."""

from __future__ import annotations

import typer

from .app import AsJson, ProjectFolder
from .output import print_json, print_line, say


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        name="catalog",
        help="Prove or rebuild the record of what happened.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("verify")(verify)
    group.command("rebuild")(rebuild)
    app.add_typer(group)


def verify(as_json: AsJson = False, project: ProjectFolder = None) -> None:
    """Check the journal's chain, that the index equals a replay of it, and that every published file has its content
    hash.

    Example: assets catalog verify
    """
    from catalog.session import Catalog

    from ..io.parquet_store import wrong_with
    from ..project import find_project

    problems = Catalog(find_project(project).state).verify(wrong_with)
    if as_json:
        print_json({"problems": problems})
    else:
        for problem in problems:
            print_line(problem)
        say(
            f"{len(problems)} problems"
            if problems
            else "the journal, the index and the published files are as they were written"
        )
    raise typer.Exit(1 if problems else 0)


def rebuild(project: ProjectFolder = None) -> None:
    """Make the DuckDB index again from the journal and put it in place of the present one.

    Example: assets catalog rebuild
    """
    from catalog.session import Catalog

    from ..project import find_project

    records = Catalog(find_project(project).state).rebuild()
    say(f"{records} records applied")
