"""READ FIRST. The whole story in one file: look at what is, plan what is stale, run it.

`look` reads the catalog and observes external sources. `plan` compares every cell's recipe with the recorded one.
`materialize` executes the plan: every fact goes into the journal, and the DuckDB index and the lineage events follow
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from catalog.apply import position_of
from catalog.errors import disk_errors
from catalog.queries import load as query
from catalog.records import Record, Tail

from .errors import UserError, did_you_mean
from .model.handling import EXECUTORS
from .model.keys import AssetKey
from .model.run import Progress, Records, RunRequest, RunResult
from .planning.bound import bound_graph
from .planning.choose import Moment, choose
from .planning.history import recorded_world
from .planning.intervals import Flags
from .planning.observe import Observation, VersionFunctions, observe
from .planning.outputs import expire, look_at_files
from .planning.plan import Plan, make_plan
from .planning.world import World
from .project import Project

if TYPE_CHECKING:  # nothing is agreed to but by `assets materialize --plan`
    from .planning.plan_file import PlanFile


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
    """Read the current cells of all assets from the catalog; observe the external sources and the published files."""
    at = now or datetime.now(UTC)
    with project.catalog.read() as connection:
        graph = bound_graph(project.graph, connection)
        position = position_of(connection)
        world = recorded_world(connection, project.catalog.read, graph, at)
        records = Records(
            declared=dict(connection.sql(query("declared")).fetchall()),
            open_runs={run: (made, seq) for run, made, seq in connection.sql(query("open_runs")).fetchall()},
            columns=_by_asset(connection.sql(query("columns_of")).fetchall()),
        )

    expire(world)
    look_at_files(world, project.data, project.state / "outputs.json")

    def functions() -> VersionFunctions:
        return {key: runtime.version for key, runtime in project.loaded.runtimes.items()}

    return View(world, tuple(observe(world, project.root, functions)), records, position)


def _by_asset(rows: Sequence[tuple[str, str, str]]) -> dict[AssetKey, list[tuple[str, str]]]:
    columns: dict[AssetKey, list[tuple[str, str]]] = {}
    for asset, name, kind in rows:
        columns.setdefault(AssetKey(asset), []).append((name, kind))
    return columns


def plan(
    project: Project,
    selection: str = "*",
    partitions: str | None = None,
    *,
    force: bool = False,
    moment: Moment | None = None,
) -> Plan:
    """Return what would run and why; nothing is written. `moment` tells what `changed-since:` in a selection means.

    Raises: DefinitionErrors, SelectionError.
    """
    world = look(project).world
    return make_plan(
        world, choose(world, selection, partitions, moment=moment, code_now=project.code_parts), force=force
    )


def materialize(
    project: Project,
    selection: str = "*",
    partitions: str | None = None,
    *,
    force: bool = False,
    atomic: bool = False,
    kind: str = "materialize",
    moment: Moment | None = None,
    agreed: PlanFile | None = None,
    fail_fast: bool = False,
    executor: str | None = None,
    continues: str | None = None,
    within: Callable[[World, dict[AssetKey, Flags]], dict[AssetKey, Flags]] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_records: Callable[[Sequence[Record]], None] | None = None,
) -> RunResult:
    """Make every stale cell of a selection, in order, and publish each when its checks pass.

    A failed cell blocks only what reads it; where `atomic`, all cells are published together, or none. Where nothing is
    stale, nothing is written, unless the settings ask for a record of that. Runs of other processes may go on
    meanwhile: each cell is made by one of them.

    `moment` tells what `changed-since:` in a selection means. `agreed`: the plan that has to be the one made now.
    `fail_fast`: give out no more steps once a cell has failed. `executor`: where steps run whose asset does not say
    (`threads`, `processes`, `dask`). `continues`: the earlier run whose cells these are; `within` has the last word on
    what is chosen. `on_progress` is called after every round, `on_records` with the records of the
    run when they are durable.

    Raises: DefinitionErrors, SelectionError, UserError where another plan was agreed to, TakenOver where this process
    was paused for so long that it was given up.
    """
    if executor is not None and executor not in EXECUTORS:
        near = did_you_mean(executor, EXECUTORS)
        raise UserError(f"there is no executor {executor!r}{near}", remedy=f"use {', '.join(EXECUTORS)}")
    keep_out_of_git(project)
    view = look(project)
    chosen = choose(view.world, selection, partitions, moment=moment, code_now=project.code_parts)
    if within is not None:
        chosen = within(view.world, chosen)
    planned = make_plan(view.world, chosen, force=force)
    if agreed is not None:
        agreed.require(planned)
    if not planned.stale and not project.settings.record_idle_runs:
        if view.records.redefines(view.world.graph):
            from .execution.conduct import declare

            declare(project, view.world.graph, view.records, view.position)
        return RunResult(None, fresh=planned.fresh)
    from .execution.conduct import conduct  # imports the engine and what the project imports
    from .execution.run import Listeners
    from .planning.forecast import mean_seconds, recent_costs

    planned = replace(planned, seconds=mean_seconds(recent_costs(project.catalog)))
    digest = None if agreed is None else agreed.digest
    request = RunRequest(kind, selection, partitions, atomic, digest, fail_fast, executor, continues)
    listeners = Listeners(on_progress or _ignore, on_records or _ignore)
    return conduct(project, planned, view.observations, view.records, view.position, request, listeners)


def keep_out_of_git(project: Project) -> None:
    """Data and records are not code."""
    with disk_errors(project.state):
        project.state.mkdir(parents=True, exist_ok=True)
        ignored = project.state / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n", encoding="utf-8")


def _ignore(told: object) -> None:
    del told
