"""What is reported reaches whoever runs the code, from functions and from commands; anywhere else it is silent."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_core import report
from assets_core.materialize import materialize
from assets_core.project import find_project
from assets_core.steps.reported import METADATA_BYTES, Reported

FILE = Path(report.__file__)
TEXT = st.text(st.characters(codec="utf-8"))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def test_the_file_is_python_of_old_and_needs_nothing_else(tmp_path: Path) -> None:
    tree = ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert imported <= sys.stdlib_module_names
    shutil.copy(FILE, tmp_path / "reporting.py")
    code = "import reporting as r; r.metadata(a=1); r.progress(1); r.log('x'); r.version('v');" + (
        "print(r.partition(), r.output(), r.input('x'))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=tmp_path, env={}, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("None None None\n", "")


@pytest.mark.parametrize("number", ["", "x", "999999", "99999999999999999999", "-1"])
def test_a_pipe_that_is_not_there_is_silence(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    monkeypatch.setenv("ASSETS_REPORT_FD", number)
    report.log("nobody listens")


def test_a_command_writes_lines_and_is_told_its_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    told = {"REPORT_FD": str(writing), "PARTITION": "a", "OUTPUT": "/out", "INPUT_ORDERS": "/in"}
    for name, value in told.items():
        monkeypatch.setenv(f"ASSETS_{name}", value)
    report.metadata(at=datetime(2026, 1, 1, tzinfo=UTC), day=date(2026, 1, 1), n=np.int64(3), r=[float("nan")], p=FILE)
    report.metadata(partition="a")
    report.progress(0.5, "half")
    report.log("line\nbreak", "error")
    report.version("v\udc80")
    with pytest.raises(ValueError, match="which is not 'b'"):
        report.metadata(partition="b")
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        lines = [json.loads(line) for line in file.read().splitlines()]
    at = {"at": "2026-01-01T00:00:00+00:00", "day": "2026-01-01", "n": 3, "r": ["NaN"], "p": str(FILE)}
    assert lines == [
        {"metadata": at},
        {"metadata": {}},
        {"progress": 0.5, "message": "half"},
        {"log": {"level": "error", "text": "line\nbreak"}},
        {"version": "v\udc80"},
    ]
    assert (report.partition(), report.output(), report.input("orders")) == ("a", "/out", "/in")


@given(
    st.dictionaries(st.from_regex(r"[a-z]{2,8}", fullmatch=True).filter(lambda n: n != "partition"), PLAIN, max_size=4)
)
def test_plain_values_are_kept_as_they_are(values: dict[str, Any]) -> None:
    reported = Reported("a", {0: None})
    with report.receiving(reported):
        report.metadata(**values)
    assert reported.of(0) == values


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", {(1, 2): 3}, lambda: None])
def test_another_value_is_refused_where_it_is_reported(value: object) -> None:
    with report.receiving(Reported("a", {0: None})), pytest.raises(TypeError):
        report.metadata(name=value)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_progress_is_a_fraction(fraction: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        report.progress(fraction)
    with pytest.raises(ValueError, match="not 'loud'"):
        report.log("x", "loud")


def test_metadata_of_a_batch_is_of_one_partition_or_of_all() -> None:
    reported = Reported("a", {3: "x", 4: "y"})
    with report.receiving(reported):
        assert report.partition() is None
        report.metadata(source="till")
        report.metadata(partition="y", rows=2)
        with pytest.raises(ValueError, match="not being made for partition 'z'"):
            report.metadata(partition="z", rows=2)
    assert [reported.of(3), reported.of(4)] == [{"source": "till"}, {"source": "till", "rows": 2}]


def test_metadata_is_bounded_and_later_values_replace_earlier_ones() -> None:
    reported = Reported("a", {0: None})
    with report.receiving(reported):
        for _ in range(3):
            report.metadata(large="x" * (METADATA_BYTES - 100))
        report.metadata(more="y" * 200, small=1)
    assert set(reported.of(0)) == {"large", "small"}


DEFINITIONS = """
import polars as pl
from collections.abc import Sequence
from assets_core import Partition, StaticPartitions, asset, report

@asset()
def one() -> pl.LazyFrame:
    report.metadata(rows=3)
    report.log("said")
    report.version("no matter")
    return pl.LazyFrame({"n": [1]}).map_batches(lambda frame: report.metadata(late=True) or frame)

@asset(partitions=StaticPartitions(["a", "b"]), batch=True)
def many(parts: Sequence[Partition]) -> dict[str, pl.DataFrame]:
    for part in parts:
        report.metadata(partition=part.key, key=part.key)
    return {part.key: pl.DataFrame({"n": [1]}) for part in parts}

@asset(partitions=StaticPartitions(["a"]))
def keyed() -> pl.DataFrame:
    report.metadata(key=report.partition(), output=report.output())
    return pl.DataFrame({"n": [1]})
"""


def test_what_functions_report_is_recorded_with_their_cells(tmp_path: Path) -> None:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "assets.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    (tmp_path / "definitions/a.py").write_text(DEFINITIONS, encoding="utf-8")
    assert materialize(find_project(tmp_path)).failures == []
    lines = [line for file in (tmp_path / ".assets/journal").glob("*.jsonl") for line in file.read_bytes().splitlines()]
    payloads = [record["payload"] for line in lines if (record := json.loads(line[65:]))["kind"] == "materialized"]
    told = {(made["asset"], made["partition"]): made["metadata"] for made in payloads}
    assert told.pop(("one", None))["rows"] == 3
    assert told == {
        ("many", "a"): {"key": "a"},
        ("many", "b"): {"key": "b"},
        ("keyed", "a"): {"key": "a", "output": None},
    }
