"""Do processes of one machine hand tables to each other, without a copy, within bounds, and without ever failing?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from assets_core.io.memory import RecentTables
from assets_core.io.shared_tables import NearTables, SharedTables

LIMIT = 64 << 20


def table(megabytes: int = 1, first: int = 0) -> pa.Table:
    return pa.table({"n": pa.array(range(first, first + megabytes * (1 << 17)), pa.int64())})


def address(found: pa.Table | None) -> int:
    assert found is not None
    buffer = found.column(0).chunk(0).buffers()[1]
    assert buffer is not None
    return buffer.address


def file_at(place: int) -> str:
    """Return what is mapped at an address of this process."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, end = (int(part, 16) for part in line.split()[0].split("-"))
        if first <= place < end:
            return line.split(maxsplit=5)[-1]
    raise AssertionError(place)


def test_a_table_is_mapped_from_its_file_and_not_copied(tmp_path: Path) -> None:
    tables = SharedTables(tmp_path, LIMIT)
    assert tables.put("shop/sales", "v", table())
    found = tables.get("shop/sales", "v")
    assert found == table()
    assert file_at(address(found)) == str(tmp_path / "shop.sales@v.arrow")


def test_memory_hands_the_very_table_on(tmp_path: Path) -> None:
    tables, given = NearTables(RecentTables(LIMIT), SharedTables(tmp_path, LIMIT)), pa.table({"n": [1, 2]})
    tables.put("a", "v", given)
    assert address(tables.get("a", "v")) == address(given)
    assert list(tmp_path.iterdir()) == []  # too small to be worth a file


def test_another_process_has_the_table(tmp_path: Path) -> None:
    SharedTables(tmp_path, LIMIT).put("a", "v", table())
    script = (
        "import sys, pathlib; from assets_core.io.shared_tables import SharedTables;"
        f"print(sum(SharedTables(pathlib.Path(sys.argv[1]), {LIMIT}).get('a', 'v')['n'].to_pylist()))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) == sum(range(1 << 17))


def test_the_oldest_go_where_there_is_no_room_and_maps_of_them_stay(tmp_path: Path) -> None:
    tables = SharedTables(tmp_path, 4 << 20)
    tables.put("a", "first", table(1))
    os.utime(tmp_path / "a@first.arrow", ns=(1, 1))
    kept = tables.get("a", "first")
    for number in range(6):
        tables.put("a", f"{number}", table(1, number))
        os.utime(tmp_path / f"a@{number}.arrow", ns=(number + 2, number + 2))
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) < (4 << 20) + 4096
    assert tables.get("a", "first") is None
    assert tables.get("a", "5") == table(1, 5)
    assert kept == table(1)


def test_what_is_larger_than_the_limit_is_not_shared(tmp_path: Path) -> None:
    tables = SharedTables(tmp_path, 1 << 20)
    assert not tables.put("a", "v", table(2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "given",
    [
        pl.DataFrame({"t": [f"text {n}" for n in range(50_000)]}).to_arrow(),
        pa.table({"d": pa.chunked_array([pa.array(w * 40_000).dictionary_encode() for w in (["a", "b"], ["c", "a"])])}),
        pa.table({"l": [[1, None], None, []] * 40_000, "s": [{"x": None}, {"x": "y"}, None] * 40_000}),
        pa.table({"z": pa.array(range(100_000), pa.timestamp("us", "Europe/Berlin"))}, metadata={"k": "v"}),
        table(4).slice(1001, 70_000),
    ],
    ids=["views", "dictionaries", "nested", "zoned", "slice"],
)
def test_every_type_comes_back_as_it_was(tmp_path: Path, given: pa.Table) -> None:
    tables = SharedTables(tmp_path, LIMIT)
    assert tables.put("a", "v", given)
    found = tables.get("a", "v")
    assert found is not None
    assert found.schema.equals(given.schema, check_metadata=True)
    assert found.to_pylist() == given.to_pylist()
    found.validate(full=True)


def test_a_frame_made_of_a_mapped_table_can_be_changed_and_the_file_is_not(tmp_path: Path) -> None:
    tables = SharedTables(tmp_path, LIMIT)
    tables.put("a", "v", table())
    frame = pl.DataFrame(tables.get("a", "v"))
    frame[0, "n"] = -1
    assert frame[0, "n"] == -1
    assert tables.get("a", "v") == table()


def test_a_folder_that_cannot_be_written_means_no_hand_off_and_no_failure(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    near = NearTables(RecentTables(LIMIT), SharedTables(blocked / "folder", LIMIT))
    near.put("a", "v", table())
    assert near.get("a", "v") == table()


def test_a_disk_that_is_full_means_no_hand_off_and_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)); import pyarrow as pa;"
        "from assets_core.io.shared_tables import SharedTables;"
        f"tables = SharedTables(pathlib.Path(sys.argv[1]), {LIMIT});"
        "print(tables.put('a', 'v', pa.table({'n': pa.array(range(1 << 17))})), tables.get('a', 'v'))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "None"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"ARROW1", b"ARROW1\0\0" + b"\xff" * 400 + b"ARROW1"])
def test_a_file_that_is_none_is_as_if_it_were_not_there(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a@v.arrow").write_bytes(content)
    assert SharedTables(tmp_path, LIMIT).get("a", "v") is None
