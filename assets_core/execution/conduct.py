"""Set up what a run needs, run the plan, put everything away: journal, store, executor, followers.

Called by `materialize.py`. Importing this imports the engine.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from catalog.errors import CatalogError
from catalog.records import Line, Tail
from catalog.segments import read

from ..errors import TakenOver, UserError
from ..executors.executor import Deliver, Executor
from ..executors.executors import Executors
from ..executors.in_process import Threads
from ..executors.processes import Processes
from ..executors.workplace import Setup, opened, setup_of
from ..io.parquet_store import ParquetStore
from ..lineage.recorded import SqlLineage
from ..lineage.relay import Relay
from ..model.asset import AssetKind, HandOff
from ..model.graph import Graph
from ..model.keys import AssetKey
from ..model.run import Records, RunRequest, RunResult
from ..planning.digests import Digests
from ..planning.history import recorded_world
from ..planning.observe import Observation
from ..planning.plan import Plan
from ..planning.world import World
from ..project import Project, Settings
from . import facts
from .actor import open_journal
from .code_facts import unrecorded_code
from .followers import Followers
from .lease import Lease, is_alive, sweep
from .limits import Limits, Pools
from .others import OtherRuns
from .run import Coordinator, Listeners, Neighbours
from .skip_facts import found_fresh


def conduct(
    project: Project,
    plan: Plan,
    observations: Sequence[Observation],
    records: Records,
    known: Tail,
    request: RunRequest,
    listeners: Listeners,
) -> RunResult:
    """Execute a plan; `known`: the place in the journal as of which it was made."""
    settings, run = project.settings, str(uuid.uuid4())
    journal_folder = project.state / "journal"
    project.data.claim()
    store = parquet_store(project, run)
    neighbourhood = _Neighbourhood(project, plan.world)
    others = OtherRuns(plan.world, run)
    if records.open_runs:  # of those that are not at work, too: they may wake up before the first turn of this one
        first = min(started_seq for _, started_seq in records.open_runs.values())
        others.recall(record for record in read(journal_folder, first - 1) if record.seq <= known.seq)
    sweep(neighbourhood.leases)
    _remember(plan)
    with ExitStack() as stack:
        stack.enter_context(Lease(neighbourhood.leases, run, known.seq, settings.lease_seconds))
        stack.callback(store.clear_staging)
        journal = open_journal(project, known)
        stack.callback(journal.close)
        setup = setup_of(project, run, store)
        workshop = stack.enter_context(opened(setup, project.loaded.runtimes))
        openers: dict[str, Callable[[Deliver], Executor]] = {
            "threads": lambda deliver: Threads(workshop, settings.threads, deliver),
            "processes": lambda deliver: Processes(setup.among(settings.processes), settings.processes, deliver),
            "dask": lambda deliver: _on_dask(setup, settings, deliver),
        }
        executors = Executors(openers, request.executor or settings.executor)
        stack.callback(executors.close)
        coordinator = Coordinator(
            run,
            plan,
            project.root,
            store,
            journal,
            executors,
            Limits(Pools(project.state / "pools", settings.configured.pools)),
            SqlLineage(records.columns),
            Neighbours(others, neighbourhood.takeover, neighbourhood.reread),
            listeners,
        )

        code, looked = unrecorded_code(project), found_fresh(run, plan, known.seq)
        plan.world.close_past()

        def before(lines: Sequence[Line]) -> list[facts.Fact]:
            ended = {run for run in records.open_runs if _ends(lines, run)}
            endings = neighbourhood.takeover(sorted(records.open_runs.keys() - ended))
            for _, ending in endings:
                others.end(ending["run"])
            return [*endings, *_declarations(plan.world.graph, records), *code]

        relay = Relay(journal_folder, project.state / "lineage" / "events.jsonl", settings.name)
        with Followers([project.catalog.refresh, relay.catch_up]):
            try:
                return coordinator.run(request, before, observations, looked)
            except TakenOver:
                raise
            except BaseException:
                if coordinator.has_begun:
                    with suppress(CatalogError):  # perhaps because of what ended the run; then the next one ends it
                        journal.turn(lambda lines: [] if _ends(lines, run) else [facts.interrupted(run)])
                raise


def _on_dask(setup: Setup, settings: Settings, deliver: Deliver) -> Executor:
    try:
        from ..executors.on_dask import OnDask  # of an extra
    except ImportError as error:
        raise UserError(
            f"the executor dask needs the package distributed, which cannot be imported: {error}",
            remedy="pip install 'assets-core[dask]', or choose another: --executor processes",
        ) from error
    return OnDask(setup, settings.address, settings.workers, deliver)


def declare(project: Project, graph: Graph, records: Records, known: Tail) -> None:
    """Record definitions that are new, changed or gone, where there is nothing to run."""
    journal = open_journal(project, known)
    try:
        journal.turn(lambda _: _declarations(graph, records))
    finally:
        journal.close()
    project.catalog.refresh()


def _remember(plan: Plan) -> None:
    """Read, before anything moves, what the steps of a plan will need of the past."""
    assets = [steps.asset for steps in plan.steps]
    reads = [(asset, edge) for asset in assets for edge in asset.edges if edge.hand_off is not None]
    plan.world.require_details([*(asset.key for asset in assets), *(edge.upstream for _, edge in reads)])
    Digests(plan.world).require_recorded(assets)
    plan.world.require_columns(
        edge.upstream
        for asset, edge in reads
        if asset.kind is AssetKind.SQL or edge.hand_off is HandOff.POLARS_LAZY or edge.columns is not None
        if not plan.world.graph.assets[edge.upstream].is_external
    )


def _ends(lines: Sequence[Line], run: str) -> bool:
    """Return whether one of some records is the end of a run."""
    return any(line.kind == "run_ended" and line.record().payload["run"] == run for line in lines)


@dataclass(frozen=True, slots=True)
class _Neighbourhood:
    """The other runs of a project: are they at work, what have they changed."""

    project: Project
    world: World

    @property
    def leases(self) -> Path:
        return self.project.state / "runs"

    def is_alive(self, run: str) -> bool:
        return is_alive(self.leases, run, self.project.settings.lease_seconds)

    def takeover(self, runs: Iterable[str]) -> list[facts.Fact]:
        """Return the endings of those runs that are not at work any more, and put away what they left behind."""
        endings: list[facts.Fact] = []
        for run in runs:
            if self.is_alive(run):
                continue
            endings.append(facts.interrupted(run))
            parquet_store(self.project, run).clear_staging()
        return endings

    def reread(self, cells: Mapping[AssetKey, Collection[int]]) -> None:
        """Bring some cells up to date from the index, and no others: what an atomic run withholds is not in it."""
        assets = [replace(self.world.graph.assets[key], edges=()) for key in cells]
        catalog = self.project.catalog
        with catalog.read() as connection:
            newer = recorded_world(connection, catalog.read, Graph(assets), self.world.now)
        self.world.reread(cells, newer)


def parquet_store(project: Project, run: str) -> ParquetStore:
    """Return the store of the project's published data, with a place of this run's own for what is not published."""
    limit_bytes = project.settings.hand_off_bytes // (2 * project.settings.threads)
    return ParquetStore(project.data, project.staging / run, limit_bytes)


def _declarations(graph: Graph, records: Records) -> list[facts.Fact]:
    """Return the facts that state which definitions are new, changed or gone since the last run."""
    found: list[facts.Fact] = []
    for asset in graph.assets.values():
        payload = facts.declared(asset)
        if asset.key not in records.declared or json.loads(records.declared[asset.key]) != payload:
            found.append(("declared", payload))
    found.extend(("withdrawn", {"asset": key}) for key in records.declared if key not in graph.assets)
    return found
