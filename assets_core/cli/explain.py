"""`assets explain`: one cell: its state, why, what its current version was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .app import AsJson, AsOf, ProjectFolder
from .output import print_json

if TYPE_CHECKING:
    from ..model.keys import Cell
    from ..planning.state import AssetState
    from ..planning.world import World
    from ..project import Project


def add_to(app: typer.Typer) -> None:
    app.command("explain")(explain)


def explain(
    cell: Annotated[
        str, typer.Argument(metavar="CELL", help="asset@partition, or the asset where it has no partitions.")
    ],
    as_of: AsOf = None,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print why a cell is fresh or stale, what it reads, what its checks said, and its last failure.

    With --as-of: the version that was current then, what made it from which versions, and what its checks had said.

    Example: assets explain flights@2013-01-01
    """
    from ..materialize import look
    from ..model.keys import cell as parse_cell
    from ..planning.world import find_cell
    from ..project import find_project

    found = find_project(project)
    if as_of is not None:
        facts = _facts_then(found, parse_cell(cell), as_of)
    else:
        world = look(found).world
        state, position = find_cell(world, parse_cell(cell))
        facts = _facts(found, world, state, position)
    if as_json:
        print_json(facts)
    else:
        _print(facts)


def _facts(found: Project, world: World, state: AssetState, position: int) -> dict[str, Any]:
    from ..keeping.moments import END

    asset, ordinal = state.asset, state.first + position
    facts: dict[str, Any] = {"cell": str(state.cell(ordinal)), "asset": asset.key, "partition": state.key(ordinal)}
    facts |= {"kind": asset.kind, "file": asset.place.file, "line": asset.place.line}
    facts |= {"libraries_not_followed": list(asset.libraries_not_followed)}
    present = bool(state.cells.present[position])
    if present:
        details = world.details(asset.key)
        facts |= {"version": details.version[position], "rows": int(details.rows[position])}
        facts |= {"stored": details.file[position]}
    if asset.is_external:
        return {**facts, "state": "fresh" if present else "missing", "causes": [], "inputs": []}
    facts |= _staleness(found, world, state, position)
    facts["inputs"] = _inputs(world, state, position)
    recorded = _recorded(found, asset.key, facts["partition"], END)
    return facts | {name: value for name, value in recorded.items() if name != "then"}


def _recorded(found: Project, asset: str, partition: str | None, position: int) -> dict[str, Any]:
    """Return what the records say of a cell as of a position: who made it, its checks, its last failure."""
    from catalog.queries import load
    from catalog.session import Catalog

    params = {"asset": asset, "partition": partition, "position": position}
    rows: dict[str, list[dict[str, Any]]] = {}
    with Catalog(found.state).read() as connection:
        for name in ("cell_then", "cell_made", "cell_checks", "cell_last_failure", "cell_inputs_then"):
            relation = connection.sql(load(name), params=params)
            rows[name] = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
    return {
        "then": next(iter(rows["cell_then"]), None),
        "made": next(iter(rows["cell_made"]), None),
        "made_from": rows["cell_inputs_then"],
        "checks": rows["cell_checks"],
        "failure": next(iter(rows["cell_last_failure"]), None),
    }


def _facts_then(found: Project, cell: Cell, as_of: str) -> dict[str, Any]:
    from ..errors import SelectionError
    from ..keeping.moments import position_asked

    position = position_asked(found, as_of)
    assert position is not None  # noqa: S101  # it was given
    recorded = _recorded(found, cell.asset, cell.partition, position)
    then = recorded.pop("then")
    if then is None and recorded["failure"] is None:
        raise SelectionError(
            f"nothing of {cell} was published as of record {position}", remedy="give a later time or position"
        )
    facts = {"cell": str(cell), "asset": cell.asset, "partition": cell.partition, "as_of": position}
    return facts | (then or {"state": "failed"}) | recorded


def _staleness(found: Project, world: World, state: AssetState, position: int) -> dict[str, Any]:
    import numpy as np

    from ..planning.evidence import Evidence
    from ..planning.plan import make_plan

    key = state.asset.key
    concerned = {key, *world.graph.ancestors([key])}  # no other asset bears on it
    chosen = {
        one: np.ones(len(world.states[one]), np.bool_) for one in concerned if not world.graph.assets[one].is_external
    }
    plan = make_plan(world, chosen)
    chain: list[dict[str, Any]] = []
    for steps in plan.steps:
        if steps.asset.key == key:
            index = np.flatnonzero(steps.ordinals == state.first + position)
            chain = Evidence(plan, found.code_parts, in_full=True).of(steps).chain(index) if len(index) else []
    word = "stale" if state.cells.present[position] else "missing"
    word = "failed" if state.cells.failed[position] else word
    causes = chain[0]["causes"] if chain else []
    return {"state": word if chain else "fresh", "causes": causes, "upstream": chain[0]["upstream"] if chain else []}


def _inputs(world: World, state: AssetState, position: int) -> list[dict[str, Any]]:
    import numpy as np

    from ..planning.ranges import range_texts

    inputs: list[dict[str, Any]] = []
    for edge in state.asset.edges:
        upstream = world.states[edge.upstream]
        intervals = world.reads(state.asset, edge).of(position)
        ordinals = np.array([o for low, high in intervals for o in range(low, high)], np.int64)
        there = upstream.cells.present[ordinals - upstream.first]
        inputs.append(
            {
                "upstream": edge.upstream,
                "reads": edge.hand_off is not None,
                "columns": edge.columns,
                "partitions": range_texts(upstream.asset.partitions, ordinals),
                "missing": range_texts(upstream.asset.partitions, ordinals[~there]),
                "there": int(there.sum()),
                "of": len(ordinals),
            }
        )
    return inputs


def _print_upstream(chain: list[dict[str, Any]], indent: str) -> None:
    """Print, level by level, why what is upstream will run."""
    from ..planning.words import words
    from .output import print_line as line

    for node in chain:
        partitions = ", ".join(node["partitions"][:4]) + (" ..." if len(node["partitions"]) > 4 else "")
        causes = "; ".join(words(cause) for cause in node["causes"])
        line(f"{indent}{node['asset']}{f'@{partitions}' if partitions else ''}: {causes}")
        _print_upstream(node["upstream"], indent + "  ")


def _print(facts: dict[str, Any]) -> None:
    from ..planning.words import words
    from .output import print_line as line

    line(f"{facts['cell']}: {facts['state']}")
    if "file" in facts:
        line(f"  declared at {facts['file']}:{facts['line']}")
    if not_followed := facts.get("libraries_not_followed"):
        line(f"  uses libraries whose versions do not count: {', '.join(not_followed)}")
    for cause in facts.get("causes", []):
        line(f"  because {words(cause)}")
        for changed in cause.get("diff", []):
            line(f"    {changed}")
    _print_upstream(facts.get("upstream", []), "    ")
    for given in facts.get("inputs", []):
        partitions = ", ".join(given["partitions"][:4]) + (" ..." if len(given["partitions"]) > 4 else "")
        verb = "reads" if given["reads"] else "waits for"
        missing = f", missing: {', '.join(given['missing'][:4])}" if given["missing"] else ""
        line(f"  {verb} {given['upstream']}{f'@{partitions}' if partitions else ''}{missing}")
    if "version" in facts:
        line(f"  version {facts['version']}, {facts['rows']} rows")
    if made := facts.get("made"):
        commit = f", commit {made['commit_id'][:12]}" if made["commit_id"] else ""
        if made["rolled_back_at"] is not None:
            reason = f": {made['rolled_back_reason']}" if made["rolled_back_reason"] else ""
            line(f"  rolled back {made['rolled_back_at']} by {made['rolled_back_by']}{reason}")
        line(f"  made {made['at']} by {made['user_name']} in run {made['run']}{commit}, {made['seconds']:.3f} s")
    if "as_of" in facts:
        for given in facts["made_from"]:
            partition = "" if given["partition"] is None else f"@{given['partition']}"
            line(f"  made from {given['upstream']}{partition} at version {given['version']}")
    for check in facts.get("checks", []):
        verdict = "passed" if check["passed"] else f"did not pass ({check['severity']}): {check['message']}"
        line(f"  check {check['check_name']} {verdict}")
    if failure := facts.get("failure"):
        line(f"  last failure {failure['at']}: {failure['message']}")
