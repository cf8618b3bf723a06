"""Set up what a run needs, run the plan, put everything away: journal, store, executor, followers.

Called by `materialize.py`. Importing this imports the engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import duckdb

from catalog.journal import Journal
from catalog.session import Catalog

from ..io.memory import RecentTables
from ..io.parquet_store import ParquetStore
from ..lineage.recorded import SqlLineage
from ..lineage.relay import Relay
from ..model.graph import Graph
from ..model.run import Progress, Records, RunRequest, RunResult
from ..planning.observe import Observation
from ..planning.plan import Plan
from ..project import Project
from . import facts
from .actor import session
from .followers import Followers
from .in_process import Threads
from .run import Coordinator
from .step import Workshop


def conduct(
    project: Project,
    plan: Plan,
    observations: Sequence[Observation],
    records: Records,
    request: RunRequest,
    on_progress: Callable[[Progress], None],
) -> RunResult:
    """Execute a plan on threads of this process; the caller holds the project's run lock."""
    settings = project.settings
    store = parquet_store(project)
    store.clear_staging()
    journal = Journal(project.state / "journal", session(project.root))
    connection = duckdb.connect(config={"enable_external_access": "false", "threads": "1"})
    connection.execute("SET GLOBAL TimeZone = 'UTC'")  # else data would depend on the zone of the machine
    workshop = Workshop(store, RecentTables(settings.hand_off_bytes), project.loaded.runtimes, connection)
    executor = Threads(workshop, settings.threads)
    coordinator = Coordinator(
        plan, project.root, store.folder, journal, executor, SqlLineage(records.columns), on_progress
    )
    before = [*_endings(records), *_declarations(plan.world.graph, records)]
    relay = Relay(project.state / "journal", project.state / "lineage" / "events.jsonl", settings.name)
    try:
        with Followers([Catalog(project.state).refresh, relay.catch_up]):
            return coordinator.run(request, before, observations)
    finally:
        executor.close()
        connection.close()
        journal.close()


def parquet_store(project: Project) -> ParquetStore:
    """Return the store of the project's published data."""
    limit_bytes = project.settings.hand_off_bytes // (2 * project.settings.threads)
    return ParquetStore(project.state / "data", project.state / "staging", limit_bytes)


def _endings(records: Records) -> list[facts.Fact]:
    """Return the facts that end the runs which a killed process left open."""
    unknown = {"fresh": 0, "failed": 0, "blocked": 0, "seconds": None}
    return [
        ("run_ended", {"run": run, "state": "interrupted", "made": made, **unknown})
        for run, made in records.open_runs.items()
    ]


def _declarations(graph: Graph, records: Records) -> list[facts.Fact]:
    """Return the facts that state which definitions are new, changed or gone since the last run."""
    found: list[facts.Fact] = []
    for asset in graph.assets.values():
        payload = facts.declared(asset)
        if asset.key not in records.declared or json.loads(records.declared[asset.key]) != payload:
            found.append(("declared", payload))
    found.extend(("withdrawn", {"asset": key}) for key in records.declared if key not in graph.assets)
    return found
