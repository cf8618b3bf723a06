"""What is done to a project while calls fail: one function an operation, by name.

Performed by driver.py in a process of its own. To add one: write a function of the project's folder that returns what
the test wants to know, decorated with what it begins from and, if need be, what comes before the fault.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from assets_core.cli import main
from assets_core.errors import SelectionError
from assets_core.io.parquet_store import wrong_with
from assets_core.lineage.relay import Relay
from assets_core.materialize import materialize
from assets_core.project import find_project
from assets_core.published import Published
from catalog import journal
from catalog.journal import Journal
from catalog.session import Catalog

Answer = dict[str, Any]

SETTINGS = '[project]\nname = "small"\n[run]\nthreads = 1\nhand_off_bytes = 20_000\n'
DEFINITIONS = """
import polars as pl
from assets_core import asset, external, sql_asset

external("numbers", path="numbers.csv")

@asset()
def small(numbers: pl.DataFrame) -> pl.DataFrame:
    return numbers.with_columns(twice=pl.col("n") * 2)

@asset()
def large(small: pl.DataFrame) -> pl.DataFrame:
    return small.join(pl.DataFrame({"i": range(1000)}), how="cross")

sql_asset("total", "SELECT sum(twice * i)::BIGINT AS total FROM large")
"""
ASSETS = ("small", "large", "total")
"""`large` is too large to be kept in memory, so it is staged in another way than `small` is."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`act` is what is watched. `base` names the project that it begins from, `arrange` is done to a copy of that."""

    act: Callable[[Path], Answer]
    base: str
    arrange: Callable[[Path], None] | None


OPERATIONS: dict[str, Operation] = {}

BASES: Mapping[str, tuple[str, ...]] = {
    "empty": ("define",),
    "old": ("define", "publish", "deliver"),
    "first": ("define", "publish"),
    "behind": ("define", "publish", "deliver", "foresee"),
    "new": ("define", "publish", "deliver", "publish"),
}
"""Projects to begin from, each by the operations that make it."""


def operation(
    name: str, base: str = "old", arrange: Callable[[Path], None] | None = None
) -> Callable[[Callable[[Path], Answer]], Callable[[Path], Answer]]:
    """Add a function to the operations."""

    def add(act: Callable[[Path], Answer]) -> Callable[[Path], Answer]:
        OPERATIONS[name] = Operation(act, base, arrange)
        return act

    return add


def command(folder: Path, *arguments: str) -> Answer:
    """Run the command line on a project; return its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["assets", *arguments, "--project", str(folder)]
    code: object = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code
    return {"code": code or 0, "out": out.getvalue(), "err": err.getvalue()}


# What the projects to begin from are made of


@operation("define")
def define(folder: Path) -> Answer:
    (folder / "definitions").mkdir(parents=True)
    (folder / "definitions" / "assets.py").write_text(DEFINITIONS, encoding="utf-8")
    (folder / "assets.toml").write_text(SETTINGS, encoding="utf-8")
    (folder / "numbers.csv").write_text("n\n1\n2\n", encoding="utf-8")
    return {}


@operation("deliver")
def deliver(folder: Path) -> Answer:
    """Bring new data, so that every cell is stale."""
    (folder / "numbers.csv").write_text("n\n3\n4\n5\n", encoding="utf-8")
    return {}


@operation("foresee")
def foresee(folder: Path) -> Answer:
    """Note the facts that a run would append, and have the data that they tell of in place."""
    future = folder.with_name(f"{folder.name}.future")
    shutil.copytree(folder, future)
    known = len(records(future))
    answer = command(future, "materialize")
    facts = [(record["kind"], record["payload"]) for record in records(future)[known:] if record["kind"] != "session"]
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    shutil.copytree(future / ".assets" / "data", folder / ".assets" / "data", dirs_exist_ok=True)
    shutil.rmtree(future)
    return answer


def records(folder: Path) -> list[Answer]:
    """Return the records of a project's journal."""
    segments = sorted((folder / ".assets" / "journal").glob("*.jsonl"))
    return [json.loads(line[65:]) for segment in segments for line in segment.read_bytes().splitlines()]


# What is watched


def settle(folder: Path) -> None:
    """Have the index know the file that it is in: a copy is another one, and would be distrusted."""
    Catalog(folder / ".assets").refresh()


def outgrow(folder: Path) -> None:
    """Have the second group of the next records open a new segment."""
    (last,) = (folder / ".assets" / "journal").glob("*.jsonl")
    journal.SEGMENT_BYTES = last.stat().st_size + 100


def leave_incomplete(folder: Path) -> None:
    """Leave half a line behind, as a killed writer does."""
    (last,) = (folder / ".assets" / "journal").glob("*.jsonl")
    with last.open("ab") as file:
        file.write(b"0123456789abcdef" * 3)


def append_ahead(folder: Path) -> None:
    """Append the facts that were foreseen, so that the index is behind the journal."""
    settle(folder)
    appender = Journal(folder / ".assets" / "journal", {"user": "test"})
    appender.append([(kind, payload) for kind, payload in json.loads((folder / "facts.json").read_text())])
    appender.close()


def age(folder: Path) -> None:
    """Make the index one of another version."""
    settle(folder)
    with duckdb.connect(str(folder / ".assets" / "catalog.duckdb")) as connection:
        connection.execute("UPDATE meta SET schema_version = 'old'")


@operation("publish_first", base="empty")
@operation("publish", arrange=settle)
def publish(folder: Path) -> Answer:
    return command(folder, "materialize")


@operation("append_after_crash", arrange=leave_incomplete)
@operation("append", arrange=outgrow)
def append(folder: Path) -> Answer:
    appender = Journal(folder / ".assets" / "journal", {"user": "test"})
    for number in range(3):
        appender.append([("noted", {"text": f"{number} {part}" * 20}) for part in range(3)])
    return {"code": 0, "err": ""}


@operation("apply", base="behind", arrange=append_ahead)
def apply(folder: Path) -> Answer:
    Catalog(folder / ".assets").refresh()
    return {"code": 0, "err": ""}


@operation("migrate", base="new", arrange=age)
def migrate(folder: Path) -> Answer:
    return command(folder, "status")


@operation("rebuild", base="new", arrange=settle)
def rebuild(folder: Path) -> Answer:
    return command(folder, "catalog", "rebuild")


def close_segments(folder: Path) -> None:
    """Close the journal's segment, so that there is something to compress."""
    appender = Journal(folder / ".assets" / "journal", {"user": "test"})
    appender.seal("test")
    appender.close()
    settle(folder)


@operation("compact", base="new", arrange=close_segments)
def compact(folder: Path) -> Answer:
    return command(folder, "catalog", "compact")


@operation("prune", base="new", arrange=close_segments)
def prune(folder: Path) -> Answer:
    return command(folder, "catalog", "compact", "--prune-before", "0")


@operation("gc", base="new", arrange=settle)
def gc(folder: Path) -> Answer:
    return command(folder, "gc", "--keep-days", "0", "--keep-versions", "1", "--delete")


@operation("rollback", base="new", arrange=settle)
def rollback(folder: Path) -> Answer:
    first_end = next(record["seq"] for record in records(folder) if record["kind"] == "run_ended")
    return command(folder, "rollback", "total", "--to", str(first_end))


@operation("anchor", base="new", arrange=settle)
def anchor(folder: Path) -> Answer:
    return command(folder, "audit", "anchor")


# What is asked afterwards


@operation("recover")
def recover(folder: Path) -> Answer:
    """Read, run twice and read again, as the next person would; bring the lineage events up to date."""
    before = cells(folder)
    run = command(folder, "materialize")
    again = materialize(find_project(folder))
    events = folder / ".assets" / "lineage" / "events.jsonl"
    elsewhere = events.with_name("again")
    relays = [
        Relay(folder / ".assets" / "journal", file, find_project(folder).settings.name) for file in (events, elsewhere)
    ]
    for relay in relays:
        relay.catch_up()
    return {
        "before": before,
        "run": run,
        "again": None if again.run is None and again.fresh == len(ASSETS) else str(again),
        "after": cells(folder),
        "events": events.read_text(encoding="utf-8"),
        "expected_events": len(elsewhere.read_text(encoding="utf-8").splitlines()),
    }


@operation("verify")
def verify(folder: Path) -> Answer:
    answer = command(folder, "audit", "verify")
    return {"problems": [str(answer)] if answer["code"] else []}


@operation("read")
def cells(folder: Path) -> Answer:
    """Return the rows that a reader gets of each asset; None where nothing is published, text where it is damaged."""
    published = Published.of(folder)
    found: Answer = {}
    for asset in ASSETS:
        try:
            (file,) = published.cells(asset).files
        except SelectionError:
            found[asset] = None
            continue
        wrong = wrong_with(Path(file), Path(file).stem, ())
        found[asset] = wrong or pq.read_table(file).to_pylist()
    return found
