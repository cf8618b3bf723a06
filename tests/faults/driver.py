"""Serves cases: has the product imported, forks for each, arms the fault in the child and performs one operation.

Started by failing_io.py under LD_PRELOAD, spoken to in lines of JSON. What the operations are is said in operations.py;
adding one changes nothing here. No DuckDB connection may be open when it forks, and no
thread but the idle ones that imported libraries start.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from operations import OPERATIONS

import assets_core
import catalog
from catalog.journal import Decide, Journal
from catalog.records import Record

_LIBRARY = ctypes.CDLL(None)
_UNEXPECTED = 70


def main() -> None:
    """Answer one request after another until there are no more."""
    for package in (catalog, assets_core):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in ("pandera.polars", "polars", "pyarrow.parquet"):
        importlib.import_module(name)
    gc.freeze()  # so that a child's collector copies none of the pages that it shares
    for line in sys.stdin:
        sys.stdout.write(json.dumps(served(json.loads(line))) + "\n")
        sys.stdout.flush()
    os._exit(0)  # an orderly end would have DuckDB's bindings complain that modules are frozen


def served(request: Mapping[str, Any]) -> dict[str, Any]:
    """Perform a case in a child and return how it ended."""
    told, printed = os.memfd_create("told"), os.memfd_create("printed")
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor in (1, 2):
            os.dup2(printed, descriptor)
        try:
            status = perform(request, told)
        except BaseException:  # noqa: BLE001  # a child must end here whatever happens
            traceback.print_exc()
            status = _UNEXPECTED
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    facts = [json.loads(line) for line in content(told).splitlines()]
    return {
        "status": status,
        "acknowledged": [fact["acknowledged"] for fact in facts if "acknowledged" in fact],
        "answer": next((fact["answer"] for fact in facts if "answer" in fact), None),
        "printed": content(printed).decode(errors="replace"),
    }


def content(memory: int) -> bytes:
    """Return what was written to a file in memory, and close it."""
    with open(memory, "rb") as file:
        file.seek(0)
        return file.read()


def perform(request: Mapping[str, Any], told: int) -> int:
    """Arm the fault and perform the operation; tell what it returned, or by which error it ended."""
    operation, folder = OPERATIONS[request["operation"]], Path(request["folder"])
    if operation.arrange is not None:
        operation.arrange(folder)
    tell_what_is_acknowledged(told)
    _LIBRARY.failing_io_log(request["log"].encode())
    _LIBRARY.failing_io_arm(request["prefix"].encode(), ctypes.c_long(request["at"]), request["what"].encode())
    try:
        answer = operation.act(folder)
    except Exception as error:  # noqa: BLE001  # the test judges it
        code = getattr(error, "exit_code", None)
        answer = {"code": code, "err": traceback.format_exc() if code is None else f"error: {error}\n"}
    _LIBRARY.failing_io_arm(b"", ctypes.c_long(0), b"")
    os.write(told, json.dumps({"answer": answer}).encode() + b"\n")
    return 0


def tell_what_is_acknowledged(told: int) -> None:
    """Have every turn of this process at the journal tell the records that it acknowledges, at once."""
    turn = Journal.turn

    def telling(journal: Journal, decide: Decide) -> list[Record]:
        records = turn(journal, decide)
        lines = [json.dumps({"acknowledged": [record.seq, record.kind]}) + "\n" for record in records]
        os.write(told, "".join(lines).encode())
        return records

    Journal.turn = telling  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    main()
