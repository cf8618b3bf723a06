"""Remembered definitions hold only while all that the load looked at is unchanged: a wrong memory, a wrong "fresh"."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets_core.errors import AssetsError
from assets_core.loading import remember
from assets_core.model.graph import Graph
from assets_core.model.keys import AssetKey
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
    project = find_project(folder)
    return remember.recall(project.definitions, project.state, project.settings.configured) is not None


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


def test_a_parameter_or_library_of_the_settings_counts_and_other_settings_do_not(tmp_path: Path) -> None:
    source = PLAIN.replace("def numbers()", "def numbers(rate: float = 1.0)")
    root = loaded_once(tmp_path, source)
    before = find_project(root).graph.assets["numbers"].code_version
    versions = {before}
    for settings in ("[parameters.numbers]\nrate = 2.0\n", "[parameters.numbers]\nrate = 3.0\n"):
        (root / "assets.toml").write_text(f'[project]\nname = "x"\n{settings}', encoding="utf-8")
        assert not remembered(root)
        versions.add(find_project(root).graph.assets["numbers"].code_version)
        assert remembered(root)
    (root / "assets.toml").write_text('[project]\nname = "x"\nlibraries = ["polars"]\n', encoding="utf-8")
    assert not remembered(root)
    versions.add(find_project(root).graph.assets["numbers"].code_version)
    assert len(versions) == 4
    (root / "assets.toml").write_text('[project]\nname = "y"\nlibraries = ["polars"]\n', encoding="utf-8")
    assert remembered(root)


def install(site: Path, version: str) -> None:
    """Put a library of one module into a folder, in place of another version of it."""
    for old in site.glob("fares-*"):
        shutil.rmtree(old)
    folder = site / f"fares-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fares\nVersion: {version}\n", encoding="utf-8")
    (folder / "top_level.txt").write_text("fare_rules\n", encoding="utf-8")
    (site / "fare_rules.py").write_text("RATE = 1\n", encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder of installed packages of this test alone; nothing else of the search path is put back after it."""
    folder = tmp_path / "site"
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("fare_rules", None)


@pytest.mark.parametrize("name", ["fares", "fare_rules"])
def test_another_installed_version_of_a_declared_library_counts(tmp_path: Path, site: Path, name: str) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    install(site, "1.0")
    source = PLAIN.replace("@asset()", f'@asset(libraries=["{name}"])').replace("[1]", "[fare_rules.RATE]")
    root = loaded_once(folder, f"import fare_rules\n{source}")
    first = find_project(root).graph.assets["numbers"]
    assert first.libraries_not_followed == ("polars",)
    assert remembered(root)
    install(site, "2.0")
    importlib.invalidate_caches()
    assert not remembered(root)
    assert find_project(root).graph.assets["numbers"].code_version != first.code_version
    shutil.rmtree(site / "fares-2.0.dist-info")
    importlib.invalidate_caches()
    assert not remembered(root)


def test_the_parts_of_remembered_code_are_told_without_an_import(tmp_path: Path) -> None:
    root = loaded_once(tmp_path, PLAIN)
    for name in [name for name in sys.modules if name.startswith("definitions")]:
        del sys.modules[name]
    project = find_project(root)
    key = project.graph.assets["numbers"].key
    parts = project.code_parts(key)
    assert not [name for name in sys.modules if name.startswith("definitions")]
    assert parts == project.loaded.parts[key] == project.code_parts(key)
    assert {part.kind for part in parts} == {"function", "interface"}


@pytest.mark.parametrize("damaged", [b"", b"[]", b"{}", b'{"form": 2, "texts": {}, "assets": {"numbers": []}}', None])
def test_damaged_parts_are_read_from_the_project_again(tmp_path: Path, damaged: bytes | None) -> None:
    root = loaded_once(tmp_path, PLAIN)
    file = root / ".assets/definitions-code.json"
    whole = find_project(root).code_parts(AssetKey("numbers"))
    file.unlink() if damaged is None else file.write_bytes(damaged)
    assert find_project(root).code_parts(AssetKey("numbers")) == whole
    assert json.loads(file.read_bytes())["assets"]["numbers"]


def test_a_plan_does_not_read_the_parts(tmp_path: Path) -> None:
    root = loaded_once(tmp_path, PLAIN)
    (root / ".assets/definitions-code.json").unlink()
    assert list(find_project(root).graph.assets) == ["numbers"]
    assert not (root / ".assets/definitions-code.json").exists()
