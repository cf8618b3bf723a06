"""READ FIRST. The whole story in one file: look at what is, plan what is stale, run it.

`look` reads the catalog and observes external sources. `plan` compares every cell's recipe with the recorded one.
`materialize` executes the plan: every fact goes into the journal, and the DuckDB index and the lineage events follow
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.apply import position_of
from catalog.errors import disk_errors
from catalog.queries import load as query
from catalog.records import Tail
from catalog.session import Catalog

from .model.keys import AssetKey
from .model.run import Progress, Records, RunRequest, RunResult
from .planning.choose import choose
from .planning.observe import Observation, VersionFunctions, observe
from .planning.plan import Plan, make_plan
from .planning.state import World, cell_members, read_narrowed, read_world
from .project import Project


@dataclass(frozen=True, slots=True)
class View:
    """What is now: the world, what of it is observed but not recorded yet, and what else the records say.

    `position`: the place in the journal up to which all this is known.
    """

    world: World
    observations: tuple[Observation, ...]
    records: Records
    position: Tail


def look(project: Project, now: datetime | None = None) -> View:
    """Read the current cells of all assets from the catalog and observe the external sources."""
    graph = project.graph
    with Catalog(project.state).read() as connection:
        columns = connection.sql(query("cells"), params=cell_members(graph)).fetchnumpy()
        failures = connection.sql(query("failed_cells")).fetchall()
        world = read_world(graph, now or datetime.now(UTC), columns, failures)
        read_narrowed(
            world,
            lambda asset, names: connection.sql(
                query("column_digests"), params={"asset": asset, "names": names}
            ).fetchall(),
        )
        records = Records(
            declared=dict(connection.sql(query("declared")).fetchall()),
            open_runs={run: (made, seq) for run, made, seq in connection.sql(query("open_runs")).fetchall()},
            columns=_by_asset(connection.sql(query("columns_of")).fetchall()),
        )
        position = position_of(connection)

    def functions() -> VersionFunctions:
        return {key: runtime.version for key, runtime in project.loaded.runtimes.items()}

    return View(world, tuple(observe(world, project.root, functions)), records, position)


def _by_asset(rows: Sequence[tuple[str, str, str]]) -> dict[AssetKey, list[tuple[str, str]]]:
    columns: dict[AssetKey, list[tuple[str, str]]] = {}
    for asset, name, kind in rows:
        columns.setdefault(AssetKey(asset), []).append((name, kind))
    return columns


def plan(project: Project, selection: str = "*", partitions: str | None = None, *, force: bool = False) -> Plan:
    """Return what would run and why; nothing is written.

    Raises: DefinitionErrors, SelectionError.
    """
    world = look(project).world
    return make_plan(world, choose(world, selection, partitions), force=force)


def materialize(
    project: Project,
    selection: str = "*",
    partitions: str | None = None,
    *,
    force: bool = False,
    atomic: bool = False,
    kind: str = "materialize",
    on_progress: Callable[[Progress], None] | None = None,
) -> RunResult:
    """Make every stale cell of a selection, in order, and publish each when its checks pass.

    A failed cell blocks only what reads it; where `atomic`, all cells are published together, or none. Where nothing is
    stale, nothing is written. Runs of other processes may go on meanwhile: each cell is made by one of them.

    Raises: DefinitionErrors, SelectionError, TakenOver where this process was paused for so long that it was given up.
    """
    _keep_out_of_git(project)
    view = look(project)
    planned = make_plan(view.world, choose(view.world, selection, partitions), force=force)
    if not planned.stale:
        return RunResult(None, fresh=planned.fresh)
    from .execution.conduct import conduct  # imports the engine and what the project imports

    request = RunRequest(kind, selection, partitions, atomic)
    return conduct(project, planned, view.observations, view.records, view.position, request, on_progress or _ignore)


def _keep_out_of_git(project: Project) -> None:
    """Data and records are not code."""
    with disk_errors(project.state):
        project.state.mkdir(parents=True, exist_ok=True)
        ignored = project.state / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n", encoding="utf-8")


def _ignore(progress: Progress) -> None:
    del progress
