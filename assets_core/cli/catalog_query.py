"""`assets catalog query`: plain SQL over the record of what happened."""

from __future__ import annotations

from typing import Annotated

import typer

from .app import AsJson, ProjectFolder
from .output import print_json, print_table


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A query; see: assets catalog tables.")],
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Ask the DuckDB index of what happened in SQL. Read only; it is brought up to the journal first.

    Twenty questions, with their answers in SQL, are in docs/questions.md. Other programs can read the file
    .assets/catalog.duckdb just so; let them open it read-only and not for long, since a run waits for it.

    Example: assets catalog query "SELECT asset, partition, version FROM cell LIMIT 5"
    """
    import duckdb

    from catalog.session import Catalog

    from ..errors import UserError
    from ..project import find_project
    from ..published import rows_of

    with Catalog(find_project(project).state).read() as connection:
        try:
            kinds = {statement.type for statement in connection.extract_statements(sql)}
            if kinds != {duckdb.StatementType.SELECT}:
                raise UserError("the statement is not a query", remedy="ask with SELECT or FROM")
            relation = connection.sql(sql)
            columns, rows = relation.columns, rows_of(relation)
        except duckdb.Error as error:
            raise UserError(f"the query cannot be answered: {error}", remedy="see: assets catalog tables") from error
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)
