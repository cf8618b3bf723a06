"""The floors: the table through a file to a process that waits for it; `python hand_off.py arrow|parquet FOLDER`.

Run by `handoff.py`. No orchestrator, and no sync to the disk.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gigabyte
import pyarrow as pa
import pyarrow.parquet as pq


def write(kind: str, table: pa.Table, path: Path) -> None:
    if kind == "parquet":
        pq.write_table(table, path, compression="zstd")
    else:
        with pa.ipc.new_file(str(path), table.schema) as file:
            file.write_table(table)


def read(kind: str, path: Path) -> pa.Table:
    return pq.read_table(path) if kind == "parquet" else pa.ipc.open_file(pa.memory_map(str(path))).read_all()


if __name__ == "__main__":
    kind, folder = sys.argv[1], Path(sys.argv[2])
    path = folder / f"table.{kind}"
    if sys.argv[3:] == ["--receive"]:
        print("ready", flush=True)
        sys.stdin.readline()
        gigabyte.received(read(kind, path))
    else:
        command = [sys.executable, __file__, kind, str(folder), "--receive"]
        receiver = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        receiver.stdout.readline()  # type: ignore[union-attr]
        write(kind, gigabyte.made(), path)
        receiver.communicate("\n")
        sys.exit(receiver.returncode)
