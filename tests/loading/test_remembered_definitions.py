"""Remembered definitions hold only while all that the load looked at is unchanged: a wrong memory, a wrong "fresh"."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from assets_core.errors import AssetsError
from assets_core.loading import remember
from assets_core.model.graph import Graph
from assets_core.project import Project, find_project

PLAIN = """
from assets_core import asset
import polars as pl

@asset()
def numbers() -> pl.DataFrame:
    return pl.DataFrame({"n": [1]})
"""


def project_with(folder: Path, source: str) -> Project:
    (folder / "definitions").mkdir(exist_ok=True)
    (folder / "assets.toml").write_text('[project]\nname = "x"\n', encoding="utf-8")
    (folder / "definitions" / "a.py").write_text(source, encoding="utf-8")
    return find_project(folder)


def remembered(folder: Path) -> bool:
    return remember.recall(folder / "definitions", folder / ".assets") is not None


def loaded_once(folder: Path, source: str) -> Path:
    project = project_with(folder.resolve(), source)
    assert project.loaded.assets
    return project.root


def test_an_unchanged_project_is_not_imported_again(tmp_path: Path) -> None:
    root = loaded_once(tmp_path, PLAIN)
    for name in [name for name in sys.modules if name.startswith("definitions")]:
        del sys.modules[name]
    again = find_project(root)
    assert list(again.graph.assets) == ["numbers"]
    assert not [name for name in sys.modules if name.startswith("definitions")]
    assert again.graph.assets["numbers"] == Graph(again.loaded.assets).assets["numbers"]


def test_any_byte_of_a_definition_counts_even_with_equal_size_and_times(tmp_path: Path) -> None:
    root = loaded_once(tmp_path, PLAIN)
    file = root / "definitions/a.py"
    stat = file.stat()
    file.write_text(PLAIN.replace("[1]", "[2]"), encoding="utf-8")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not remembered(root)
    before, after = find_project(root), find_project(root)
    assert before.graph.assets["numbers"].code_version == after.graph.assets["numbers"].code_version


@pytest.mark.parametrize("name", ["definitions/b.py", "definitions/deep/c.py", "definitions/q.sql"])
def test_a_new_file_of_definitions_counts(tmp_path: Path, name: str) -> None:
    (tmp_path / "definitions/deep").mkdir(parents=True)
    root = loaded_once(tmp_path, PLAIN)
    assert remembered(root)
    (root / name).write_text("", encoding="utf-8")
    assert not remembered(root)


def test_a_file_that_is_gone_or_renamed_counts(tmp_path: Path) -> None:
    root = loaded_once(tmp_path, PLAIN)
    assert remembered(root)
    (root / "definitions/a.py").rename(root / "definitions/z.py")
    assert not remembered(root)


def test_another_folder_of_definitions_counts(tmp_path: Path) -> None:
    root = loaded_once(tmp_path, PLAIN)
    (root / "others").mkdir()
    (root / "others/b.py").write_text(PLAIN.replace("numbers", "letters"), encoding="utf-8")
    (root / "assets.toml").write_text('[project]\ndefinitions = "others"\n', encoding="utf-8")
    assert list(find_project(root).graph.assets) == ["letters"]


def test_a_file_that_a_definition_reads_when_it_is_imported_counts(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("one two", encoding="utf-8")
    source = PLAIN + "from pathlib import Path\nNAMES = Path(__file__).parents[1].joinpath('names.txt').read_text()\n"
    root = loaded_once(tmp_path, source)
    assert remembered(root)
    (root / "names.txt").write_text("one six", encoding="utf-8")
    assert not remembered(root)


def test_a_folder_that_a_definition_lists_counts(tmp_path: Path) -> None:
    (tmp_path / "feeds").mkdir()
    source = PLAIN + "import os\nFEEDS = sorted(os.listdir(os.path.join(os.path.dirname(__file__), '../feeds')))\n"
    root = loaded_once(tmp_path, source)
    assert remembered(root)
    (root / "feeds/new").touch()
    assert not remembered(root)


@pytest.mark.parametrize("read", ["os.environ['SHOP_MODE']", "os.environ.get('SHOP_MODE')", "os.getenv('SHOP_MODE')"])
def test_an_environment_variable_that_a_definition_reads_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    monkeypatch.setenv("SHOP_MODE", "test")
    root = loaded_once(tmp_path, PLAIN + f"import os\nMODE = {read}\n")
    assert remembered(root)
    monkeypatch.setenv("SHOP_MODE", "live")
    assert not remembered(root)
    monkeypatch.delenv("SHOP_MODE")
    assert not remembered(root)


@pytest.mark.parametrize(
    "unsteady",
    [
        "from datetime import date\nEND = date.today()",
        "import datetime as d\nEND = d.datetime.now()",
        "import time\nEND = time.time()",
        "import random\nEND = random.random()",
        "import subprocess\nEND = subprocess.run(['true'])",
        "import os\nEND = dict(os.environ)",
        "import os\nEND = os.environb.get(b'X')",
        "import os\nEND = os.getcwd()",
        "from time import time as clock\nEND = clock()",
        "from pathlib import Path\nEND = (Path(__file__).parent / 'flags/on').exists()",
        "END = pl.DataFrame({'n': [1]}).lazy() if False else pl.read_csv(__file__, has_header=False)",
    ],
)
def test_definitions_that_depend_on_the_clock_on_chance_or_on_everything_are_never_remembered(
    tmp_path: Path, unsteady: str
) -> None:
    assert not remembered(loaded_once(tmp_path, f"{PLAIN}\n{unsteady}\n"))


def test_the_environment_is_put_back_as_it_was(tmp_path: Path) -> None:
    kind = type(os.environ)
    loaded_once(tmp_path, PLAIN)
    assert type(os.environ) is kind


def test_a_mapping_by_function_is_never_remembered(tmp_path: Path) -> None:
    source = """
from typing import Annotated
from assets_core import Explicit, StaticPartitions, Upstream, asset
import polars as pl

@asset(partitions=StaticPartitions(["a", "b"]))
def up() -> pl.DataFrame: ...

@asset(partitions=StaticPartitions(["x"]))
def down(up: Annotated[pl.DataFrame, Upstream(mapping=Explicit(lambda key: ["a"]))]) -> pl.DataFrame: ...
"""
    assert not remembered(loaded_once(tmp_path, source))


def test_a_damaged_memory_is_no_memory(tmp_path: Path) -> None:
    root = loaded_once(tmp_path, PLAIN)
    file = root / ".assets/definitions.json"
    text = file.read_bytes()
    for damaged in (b"", text[: len(text) // 2], b"[]", b'{"form": 0}', b"\xff\xfe"):
        file.write_bytes(damaged)
        assert not remembered(root)
        assert list(find_project(root).graph.assets) == ["numbers"]


def test_definitions_that_are_not_what_was_remembered_stop_the_run(tmp_path: Path) -> None:
    root = loaded_once(tmp_path, PLAIN)
    project = find_project(root)
    assert list(project.graph.assets) == ["numbers"]
    (root / "definitions/a.py").write_text(PLAIN.replace("[1]", "[2]"), encoding="utf-8")
    with pytest.raises(AssetsError, match="changed while they were in use"):
        _ = project.loaded
