"""Random damage to the files of a project, and the question whether anything of it goes unnoticed.

Used by test_damages.py; `python tests/faults/damages.py --cases 1000 --seed 1` tries more and prints what came of them.
A damage is silent when the audit finds nothing wrong and yet an answer is not what it was. There may be none.
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from assets_core.governance.audit import verify
from assets_core.materialize import materialize
from assets_core.project import Project, find_project
from catalog import journal
from catalog.errors import CatalogError
from catalog.segments import read_lines, segments
from catalog.session import Catalog

SETTINGS = '[project]\nname = "small"\n[run]\nthreads = 1\n'
DEFINITIONS = """
import polars as pl
from assets_core import DailyPartitions, Partition, asset, check

DAYS = DailyPartitions("2024-01-01", "2024-01-09")

@asset(partitions=DAYS)
def first(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({{"day": [partition.key] * 3, "n": [1, 2, {number}]}})

@asset(partitions=DAYS)
def second(first: pl.DataFrame) -> pl.DataFrame:
    return first.with_columns(twice=pl.col("n") * 2)

@check(second)
def is_small(second: pl.DataFrame) -> bool:
    return second["twice"].max() < 100
"""
AREAS = ("journal", "index", "data")
DAMAGES = ("flip", "cut", "cut a line", "delete", "swap", "replay", "zero", "append")


@dataclass(frozen=True, slots=True)
class Truth:
    """A project as it should be, an older copy of it, and every answer that it gives."""

    root: Path
    older: Path
    records: list[bytes]
    tables: dict[str, list[Any]]
    files: dict[str, str]


def prepared(folder: Path) -> Truth:
    """Make a project of two runs with closed, compressed and sealed segments, and a copy from between the runs."""
    root, older = folder / "project", folder / "older"
    (root / "definitions").mkdir(parents=True)
    (root / "assets.toml").write_text(SETTINGS)
    with _small_segments():
        for number in (3, 4):
            (root / "definitions" / "assets.py").write_text(DEFINITIONS.format(number=number))
            assert materialize(find_project(root)).failed == 0
            if number == 3:
                shutil.copytree(root, older)
    first = segments(root / ".assets" / "journal")[0]
    first.path.with_name(f"{first.path.name}.gz").write_bytes(gzip.compress(first.path.read_bytes(), mtime=0))
    first.path.unlink()
    project = find_project(root)
    assert verify(project).findings == []
    return Truth(root, older, _records(project), _tables(project), _files(project))


@contextmanager
def _small_segments() -> Iterator[None]:
    usual = journal.SEGMENT_BYTES
    journal.SEGMENT_BYTES = 20_000
    try:
        yield
    finally:
        journal.SEGMENT_BYTES = usual


def _records(project: Project) -> list[bytes]:
    return [line.text for line in read_lines(project.state / "journal")]


def _tables(project: Project) -> dict[str, list[Any]]:
    with Catalog(project.state).read() as connection:
        names = [name for (name,) in connection.sql("SELECT table_name FROM duckdb_tables()").fetchall()]
        return {name: sorted(connection.sql(f'FROM "{name}"').fetchall(), key=repr) for name in names if name != "meta"}


def _files(project: Project) -> dict[str, str]:
    """Return a digest of each data file's bytes; none of one that is not there."""
    with Catalog(project.state).read() as connection:
        rows = connection.sql("SELECT file FROM materialization").fetchall()
    paths = {file: project.state / "data" / file for (file,) in rows}
    return {file: blake3(path.read_bytes()).hexdigest() if path.exists() else "" for file, path in paths.items()}


def damaged(truth: Truth, folder: Path, chance: random.Random) -> tuple[str, str]:
    """Copy the project to a folder and damage one file of the copy (two by a swap); return where and how."""
    shutil.copytree(truth.root, folder)
    area, damage = chance.choice(AREAS), chance.choice(DAMAGES)
    state = folder / ".assets"
    found = {
        "journal": list((state / "journal").iterdir()),
        "index": [state / "catalog.duckdb", state / "catalog.duckdb", state / "catalog.stamp"],
        "data": list((state / "data").rglob("*.parquet")),
    }[area]
    path = chance.choice(sorted(found))
    content = path.read_bytes()
    place = chance.randrange(len(content))
    match damage:
        case "flip":
            path.write_bytes(
                content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
            )
        case "cut":
            path.write_bytes(content[:place])
        case "cut a line":
            path.write_bytes(content[: content.rfind(b"\n", 0, place) + 1])
        case "delete":
            path.unlink()
        case "swap":
            other = chance.choice(sorted(found))
            path.write_bytes(other.read_bytes())
            other.write_bytes(content)
        case "replay":
            old = truth.older / path.relative_to(folder)
            if old.exists():
                shutil.copyfile(old, path)
            else:
                path.unlink()
        case "zero":
            path.write_bytes(content[:place] + bytes(min(4096, len(content) - place)) + content[place + 4096 :])
        case "append":
            path.write_bytes(content + content[place : place + 500])
    return f"{area}: {path.suffix or path.name}", damage


def outcome(truth: Truth, folder: Path) -> str:
    """Return what came of a damage: found by the audit, repaired and said, noted, harmless; or how it is silent."""
    project = find_project(folder)
    said = io.StringIO()
    with redirect_stderr(said):
        report = verify(project)
        if report.findings:
            assert all(str(finding) for finding in report.findings)
            found = "found"
        else:
            found = "noted" if report.journal.notes else "harmless"
        try:
            tables = _tables(project)
        except CatalogError:
            return found if report.findings else "silent: the audit found nothing, yet a command refuses to go on"
    if tables != truth.tables:
        return "silent: the index answers otherwise"
    if found == "found" and report.findings[0].problem.file.name == "catalog.duckdb" and not said.getvalue():
        return "silent: the index was repaired, and nothing was said"
    if not report.findings:
        if _records(project) != truth.records:
            return "silent: other records"
        if _files(project) != truth.files:
            return "silent: other data"
    return "repaired" if found == "found" and verify(project).findings == [] else found


def tried(truth: Truth, folder: Path, cases: int, seed: int) -> Iterator[tuple[int, str, str, str]]:
    """Yield the number, the place, the damage and the outcome of so many cases."""
    for number in range(cases):
        copy = folder / str(number)
        where, damage = damaged(truth, copy, random.Random(f"{seed} {number}"))  # noqa: S311  # to be the same each time
        yield number, where, damage, outcome(truth, copy)
        shutil.rmtree(copy)


def main() -> None:
    """Try many and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    counted: Counter[tuple[str, str, str]] = Counter()
    silent = 0
    with tempfile.TemporaryDirectory() as name:
        truth = prepared(Path(name))
        for number, where, damage, what in tried(truth, Path(name), asked.cases, asked.seed):
            counted[where, damage, what] += 1
            if what.startswith("silent"):
                silent += 1
                sys.stdout.write(f"case {number} of seed {asked.seed}: {damage} {where}: {what}\n")
    for (where, damage, what), count in sorted(counted.items()):
        sys.stdout.write(f"{where:20} {damage:12} {what:10} {count:5}\n")
    sys.stdout.write(f"{asked.cases} damages, {silent} silent\n")
    raise SystemExit(1 if silent else 0)


if __name__ == "__main__":
    main()
