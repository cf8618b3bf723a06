"""What must hold of a project after chaos.py, however it was disturbed; each finding is one line.

Called when nothing runs any more and everything is fresh. It goes by the journal and the files, not by what commands
say.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from assets_core.execution.limits import Pools
from assets_core.project import find_project

COMMAND = str(Path(sys.executable).parent / "assets")
_OF_A_RUN = ("claimed", "materialized", "judged", "failed", "attempt_failed", "blocked", "skipped")
_END_SECONDS = 10.0


def judge(root: Path) -> list[str]:
    """Return everything that is wrong."""
    records = list(records_of(root))
    return [
        *_wrong_records(records),
        *_wrong_audit(root),
        *_wrong_result(root, records),
        *_wrong_leftovers(root),
    ]


def records_of(root: Path) -> Iterator[dict[str, Any]]:
    for segment in sorted((root / ".assets" / "journal").glob("*.jsonl")):
        for line in segment.read_bytes().splitlines():
            yield json.loads(line[65:])


def _wrong_records(records: list[dict[str, Any]]) -> Iterator[str]:
    """No run goes on behind its end, no cell is held by two, no attempt has two outcomes."""
    ended: set[str] = set()
    holder: dict[tuple[str, str | None], str] = {}
    outcomes: Counter[tuple[object, ...]] = Counter()
    for record in records:
        kind, payload = record["kind"], record["payload"]
        run = payload.get("run")
        if kind in _OF_A_RUN and run in ended:
            yield f"record {record['seq']} ({kind}) is of run {run}, which had ended"
        if kind == "claimed":
            for _, asset, cells in payload["steps"]:
                for cell in cells:
                    if (other := holder.get((asset, cell), run)) != run:
                        yield f"record {record['seq']}: {asset}@{cell} is claimed while run {other} holds it"
                    holder[asset, cell] = run
        elif kind in ("materialized", "failed", "attempt_failed"):
            outcomes[run, payload["step"], payload["asset"], payload["partition"]] += 1
            if kind == "failed":
                holder.pop((payload["asset"], payload["partition"]), None)
        elif kind == "published":
            for asset, cell, *_ in payload["cells"]:
                holder.pop((asset, cell), None)
        elif kind == "run_ended":
            ended.add(run)
            holder = {cell: other for cell, other in holder.items() if other != run}
    yield from (f"{count} outcomes of one attempt: {attempt}" for attempt, count in outcomes.items() if count > 1)


def _wrong_audit(root: Path) -> Iterator[str]:
    done = _assets(root, "audit", "verify")
    if done.returncode:
        yield f"audit verify: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    done = _assets(root, "materialize")
    if "nothing to do" not in done.stderr + done.stdout:
        yield f"there is something left to do: {done.stderr[-500:]}"


def _wrong_result(root: Path, records: list[dict[str, Any]]) -> Iterator[str]:
    """The same sources in a new project, undisturbed, give the same versions of the same cells."""
    fresh = root.with_name("fresh")
    shutil.copytree(root, fresh, ignore=shutil.ignore_patterns(".assets"))
    done = _assets(fresh, "materialize")
    if done.returncode:
        yield f"the undisturbed run ended with {done.returncode}: {done.stderr[-2000:]}"
        return
    expected, found = _versions(list(records_of(fresh))), _versions(records)
    yield from (
        f"{cell} is {found.get(cell)}, not {version}"
        for cell, version in expected.items()
        if found.get(cell) != version
    )
    yield from (f"{cell} is published, but should not be there" for cell in found.keys() - expected.keys())


def _versions(records: list[dict[str, Any]]) -> dict[tuple[str, str | None], str]:
    return {
        (asset, partition): version
        for record in records
        if record["kind"] == "published"
        for asset, partition, version, *_ in record["payload"]["cells"]
    }


def _wrong_leftovers(root: Path) -> Iterator[str]:
    settings = find_project(root).settings
    pools = Pools(root / ".assets" / "pools", settings.configured.pools)
    for name, slots in settings.configured.pools.items():
        if pools.take(name, slots) is None:
            yield f"pool {name} does not have its {slots} slots"
    until = time.monotonic() + _END_SECONDS
    while (left := list(_processes_of(root))) and time.monotonic() < until:
        time.sleep(0.05)
    yield from (f"process {number} is left: {command}" for number, command in left)
    staged = defaultdict(int)
    for path in (root / ".assets" / "staging").rglob("*"):
        staged[path.relative_to(root / ".assets" / "staging").parts[0]] += path.is_file()
    yield from (f"{count} files are left in staging/{run}" for run, count in staged.items() if count)


def _processes_of(root: Path) -> Iterator[tuple[int, str]]:
    """Yield the processes whose command or folder is of the project."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            at = (folder / "cwd").resolve()
            if command and (str(root) in command or at.is_relative_to(root)):
                yield int(folder.name), command


def _assets(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments, "--project", str(root)], capture_output=True, text=True, check=False)
