"""The folder of a random project: what is installed beside it, what is published in it, and harm done to a file.

Used by `scenario.py`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from naive_oracle import Cell
from random_project import LIBRARY, Frame

from assets_core.materialize import look
from assets_core.project import find_project

Version = tuple[Frame, tuple[int, int] | None]
"""What is published of a cell: its content and the recipe recorded with it, None where not all columns counted."""


@contextmanager
def folder_of_an_example() -> Iterator[Path]:
    """Make a folder for a project, and beside it one in which its library is installed."""
    with tempfile.TemporaryDirectory() as folder:
        installed = Path(folder) / "installed"
        installed.mkdir()
        sys.path.append(str(installed))
        try:
            yield Path(folder)
        finally:
            sys.path.remove(str(installed))


def published(folder: Path) -> Mapping[Cell, Version]:
    """Return content and recorded recipe of every cell of the definitions, found by the catalog's pointers."""
    project = find_project(folder)
    found: dict[Cell, Version] = {}
    world = look(project).world
    for key, state in world.states.items():
        if state.asset.is_external:
            continue
        details = world.details(key)
        for position in (state.cells.present & ~state.cells.drifted).nonzero()[0].tolist():
            table = pq.read_table(project.state / "data" / details.file[position])
            rows = tuple(zip(*(column.to_pylist() for column in table.columns), strict=True))
            whole = int(state.cells.whole.a[position]), int(state.cells.whole.b[position])
            recipe = None if state.cells.narrowed[position] else whole
            found[str(key), state.key(state.first + position)] = Frame(tuple(table.column_names), rows), recipe
    return found


def install(version: str, folder: Path) -> None:
    """Let the library be installed in a version."""
    about = folder / f"{LIBRARY.replace('-', '_')}-{version}.dist-info"
    if not about.exists():
        shutil.rmtree(folder, ignore_errors=True)
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {LIBRARY}\nVersion: {version}\n")


def damage(file: Path, kind: str) -> None:
    """Remove a file, cut it short, or change it and keep its size."""
    if kind == "gone":
        file.unlink()
        return
    data = bytearray(file.read_bytes())
    if kind == "cut":
        file.write_bytes(data[: len(data) // 2])
        return
    table = pq.read_table(file)
    data[-1] ^= 1
    if table.num_rows:
        sink = pa.BufferOutputStream()
        place = table.column_names.index("n")
        pq.write_table(
            table.set_column(place, "n", pc.add(table["n"], 1)), sink, compression="none", use_dictionary=False
        )
        other = sink.getvalue().to_pybytes()
        data = bytearray(other) if len(other) == len(data) else data
    file.write_bytes(data)
