"""Judges what a crowd of processes has left behind: the journal line by line, what each noted, what readers saw.

Called by many_processes.py. It reads the journal with no code of the product but the index's own audit.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from many_roles import payload_digest

COMMAND = str(Path(sys.executable).parent / "assets")
LONGEST_SECONDS = 1.0
_AFTERWARDS = 0.5
_HASH_AND_BLANK = 65

_OF_A_RUN = {1: ("changed while", "removed before it was published"), 4: ("was taken for dead",)}
_ALLOWED: dict[str, dict[int, tuple[str, ...]]] = {
    "materialize": _OF_A_RUN,
    "materialize_all": _OF_A_RUN,
    "backfill": _OF_A_RUN,
    "rollback": {
        1: ("was collected",),
        2: ("not published", "was not published", "is published"),
        4: ("nothing was rolled back",),
    },
}
"""With which codes an act may end where others act at the same time, and what it then says."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A process did not run from one time to another; `is_inside`: it held a lock that others wait for."""

    began: float
    ended: float
    is_inside: bool


@dataclass(slots=True)
class Verdict:
    """What is wrong, and numbers to print."""

    wrong: list[str] = field(default_factory=list)
    acts: Counter[tuple[str, int]] = field(default_factory=Counter)
    sessions: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    held: float = 0.0
    delayed: float = 0.0
    excused: int = 0
    refused: int = 0
    records: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    seen: int = 0

    @property
    def longest_wait(self) -> float:
        """Return the longest wait of a reader for its turn, without the part in which holders waited for a core."""
        share = self.delayed / self.held if self.held else 0.0
        return max(self.waits, default=0.0) * (1 - share)


def judge(root: Path, notes: Iterable[Path], stops: Sequence[Stop], verify: Callable[[Path], int]) -> Verdict:
    """Return what came of it all, after a run that leaves nothing to do."""
    verdict = Verdict()
    told = [fact for file in notes for fact in _facts(file)]
    _finish(root, verdict)
    folder = root / ".assets" / "journal"
    records = journal(folder)
    try:
        texts = verify(folder)
    except AssertionError as error:
        verdict.wrong.append(f"the chain does not verify: {error}")
        texts = len(records)
    if [record["seq"] for record in records] != list(range(1, texts + 1)):
        verdict.wrong.append(f"{len(records)} records are there, {texts} verify: not numbered without a gap")
    verdict.records.update(record["kind"] for record in records)
    _judge_acknowledged(records, told, verdict)
    _judge_claims(records, verdict)
    _judge_observations(records, verdict)
    _judge_acts(told, stops, verdict)
    _judge_waits(told, stops, verdict)
    _judge_counter(records, told, verdict)
    return verdict


def journal(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a journal, of a segment that is there twice those of the later form."""
    files = [path for path in sorted(folder.iterdir()) if path.name.endswith((".jsonl", ".jsonl.gz"))]
    found = []
    for path in {path.name[:20]: path for path in files}.values():
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found += [json.loads(line[_HASH_AND_BLANK:]) for line in content.split(b"\n")[:-1]]
    return found


def _facts(file: Path) -> list[dict[str, Any]]:
    """Return what a process noted; the last line of one that was killed may be incomplete."""
    return [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]]


def _finish(root: Path, verdict: Verdict) -> None:
    """Have one more run do what is left to do, and the next one nothing; have the product prove all of it."""
    for arguments in (("materialize", "*", "--json"), ("materialize", "*", "--json"), ("audit", "verify")):
        done = subprocess.run([COMMAND, *arguments], cwd=root, capture_output=True, text=True)
        if done.returncode != 0:
            verdict.wrong.append(
                f"at the end, {' '.join(arguments)}: exit {done.returncode}: {done.stdout}{done.stderr}"
            )
        elif arguments[0] == "materialize":
            made = json.loads(done.stdout)["made"]
    if made:
        verdict.wrong.append(f"the last run made {made} cells, after one that left nothing to do")


def _judge_acknowledged(records: Sequence[dict[str, Any]], told: Sequence[dict[str, Any]], verdict: Verdict) -> None:
    seen: set[int] = set()
    for seq, kind, by, digest in (one for fact in told for one in fact.get("acknowledged", ())):
        verdict.acknowledged += 1
        record = records[seq - 1] if seq <= len(records) else None
        if record is None or (record["kind"], record["by"], payload_digest(record["payload"])) != (kind, by, digest):
            verdict.wrong.append(f"record {seq} ({kind}) was acknowledged and is not there")
        if seq in seen:
            verdict.wrong.append(f"record {seq} was acknowledged twice")
        seen.add(seq)
    names = Counter(record["payload"]["id"] for record in records if record["kind"] == "noted")
    verdict.wrong += [f"{name} is there {count} times" for name, count in names.items() if count > 1]


def _judge_claims(records: Sequence[dict[str, Any]], verdict: Verdict) -> None:
    """Replay who held which cell: each was made by the run that had claimed it, and by no other meanwhile."""
    claims: dict[tuple[str, str | None], str] = {}
    started: set[str] = set()
    ended: dict[str, int] = {}
    for record in records:
        kind, payload = record["kind"], record["payload"]
        run = payload.get("run")
        if kind == "run_started":
            started.add(run)
        if run is not None and run not in started:
            verdict.wrong.append(f"record {record['seq']} ({kind}) is of run {run}, which did not start")
        if run in ended:
            verdict.wrong.append(
                f"record {record['seq']} ({kind}) of run {run} is behind its end, {ended[run]}:"
                f" {_writer(records, record)} wrote it, {_writer(records, records[ended[run] - 1])} ended the run"
            )
        match kind:
            case "claimed":
                for _, asset, partitions in payload["steps"]:
                    for cell in [(asset, partition) for partition in partitions]:
                        if claims.get(cell, run) != run:
                            verdict.wrong.append(f"record {record['seq']} claims {cell}, which {claims[cell]} holds")
                        claims[cell] = run
            case "materialized":
                cell = payload["asset"], payload["partition"]
                if claims.get(cell) != run:
                    verdict.wrong.append(f"record {record['seq']} makes {cell} by {run}, held by {claims.get(cell)}")
            case "published":
                for asset, partition, *_ in payload["cells"]:
                    claims.pop((asset, partition), None)
            case "failed":
                claims.pop((payload["asset"], payload["partition"]), None)
            case "run_ended":
                ended[run] = record["seq"]
                claims = {cell: holder for cell, holder in claims.items() if holder != run}


def _writer(records: Sequence[dict[str, Any]], record: dict[str, Any]) -> str:
    session = records[record["by"] - 1]["payload"]
    return f"process {session['process']} ({' '.join(session['command'][:3])})"


def _judge_acts(told: Sequence[dict[str, Any]], stops: Sequence[Stop], verdict: Verdict) -> None:
    for fact in told:
        if "wrong" in fact:
            verdict.wrong.append(f"a reader saw: {fact['wrong']}")
        if "did" in fact:
            verdict.acts[fact["did"], fact["code"]] += 1
            verdict.refused += "was taken for dead" in fact["err"]
            if fact["code"] == 0 or _is_allowed(fact):
                continue
            if fact["code"] == 4 and _is_excused(stops, fact["began"], fact["ended"]):
                verdict.excused += 1
                continue
            verdict.wrong.append(f"{fact['did']} ended with {fact['code']}: {fact['err']}")


def _judge_waits(told: Sequence[dict[str, Any]], stops: Sequence[Stop], verdict: Verdict) -> None:
    """Require that no reader waits for its turn over a second, on a machine that has a core for each process.

    Who holds a lock and has to wait for a core makes others wait with it: so waits are shortened by the part of the
    time for which holders had none.
    """
    for fact in told:
        if "session" in fact:
            asked, there = fact["session"]
            if not _is_excused(stops, asked, there):
                verdict.sessions.append(there - asked)
        if "turn" in fact:
            asked, began, ended, delayed = fact["turn"]
            if not _is_excused(stops, asked, ended):
                verdict.waits.append(began - asked)
                verdict.held += ended - began
                verdict.delayed += delayed
    if verdict.longest_wait > LONGEST_SECONDS:
        verdict.wrong.append(
            f"a reader waited {verdict.longest_wait:.2f} s for its turn, not counting waits for a core"
        )


def _is_excused(stops: Sequence[Stop], began: float, ended: float) -> bool:
    """Return whether a process was stopped inside a lock meanwhile, or shortly before."""
    return any(stop.is_inside and began < stop.ended + _AFTERWARDS and ended > stop.began for stop in stops)


def _is_allowed(fact: dict[str, Any]) -> bool:
    """Return whether an act may end so; of a run, each failure that it tells is looked at."""
    said = _ALLOWED.get(fact["did"], {}).get(fact["code"], ())
    errors = [line for line in fact["err"].splitlines() if line.startswith(("failed: ", "error: "))]
    return bool(errors) and all(any(text in line for text in said) for line in errors)


def _judge_observations(records: Sequence[dict[str, Any]], verdict: Verdict) -> None:
    """Require that the source that only ever changes to something new was seen to do so."""
    versions: list[str] = []
    for record in records:
        if record["kind"] == "observed" and record["payload"]["asset"] == "count":
            version = record["payload"]["version"]
            if version in versions[:-1] and version != versions[-1]:
                verdict.wrong.append(f"record {record['seq']} observes again what had changed before")
            versions.append(version)


def _judge_counter(records: Sequence[dict[str, Any]], told: Sequence[dict[str, Any]], verdict: Verdict) -> None:
    """Require that what was seen later is not less, unless a rollback of the counter lies in between."""
    back = [
        record["seq"]
        for record in records
        if record["kind"] == "rolled_back" and any(asset == "counter" for asset, *_ in record["payload"]["cells"])
    ]
    seen = sorted(tuple(fact["saw"]) for fact in told if "saw" in fact)
    verdict.seen = len(seen)
    exact = [(low, value) for low, high, value in seen if low == high]
    for (before, was), (after, became) in pairwise(exact):
        if became < was and not any(before < seq <= after for seq in back):
            verdict.wrong.append(f"the counter went from {was} (at {before}) back to {became} (at {after})")
    for low, high, value in seen:
        earlier = [was for at, was in exact if at <= low and not any(at < seq <= high for seq in back)]
        later = [became for at, became in exact if at >= high and not any(low < seq <= at for seq in back)]
        if any(was > value for was in earlier) or any(became < value for became in later):
            verdict.wrong.append(f"the counter was {value} between {low} and {high}, out of order")
