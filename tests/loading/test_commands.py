"""What a command is declared to be: its placeholders, what it may see, which files are its code; and what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from loading_project import parts_of, project_with

from assets_core.errors import DefinitionErrors
from assets_core.loading import remember
from assets_core.model.asset import AssetKind
from assets_core.model.keys import AssetKey
from assets_core.project import Project, find_project

HEAD = """
from assets_core import DynamicPartitions, ProductPartitions, command_asset
DAYS = DailyPartitions("2026-01-01", "2026-01-04")
KEYS = StaticPartitions(["a", "b"])

@asset(partitions=DAYS)
def orders(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({"n": [1]})
"""


def declared(folder: Path, source: str) -> Project:
    return project_with(folder, HEAD + source)


def wrong(folder: Path, *arguments: str) -> list[tuple[int, str]]:
    """Return the line and the text of each thing that is wrong with commands, one on a line each."""
    lines = [f'command_asset("c{number}", {text})' for number, text in enumerate(arguments)]
    project = declared(folder, "\n".join(lines))
    with pytest.raises(DefinitionErrors) as caught:
        assert project.loaded
    source = (project.root / "definitions/a.py").read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(source, 1) if line.startswith("command_asset("))
    assert all(error.place.file == "definitions/a.py" for error in caught.value.errors)
    return [(error.place.line - first, f"{error.what} / {error.remedy}") for error in caught.value.errors]


def test_everything_that_is_wrong_is_told_at_once_with_its_line_and_the_remedy(tmp_path: Path) -> None:
    cases = {
        '"python model.py"': ("no shell reads it", 'write arguments as in ["python"'),
        "[]": ("name no command", 'write ["python"'),
        '["a", 5]': ("arguments hold 5", "str(5)"),
        '["a", "{partiton}"], partitions=DAYS': ("{partiton} (did you mean 'partition'?)", "{partition_start}"),
        '["a", "{partition}"]': ("{partition}, but the asset has no partitions", "give partitions="),
        '["a", "{partition_start}"], partitions=KEYS': ("no one time", "leave it out"),
        '["a", "{output}"]': ("{output}, but there is none", "output=, one of parquet, csv"),
        '["a", "{input.order}"], upstreams=["orders"]': ("did you mean 'input.orders'?", "{inputs.orders}"),
        '["a", "{day}"], partitions=DAYS': ("no placeholder {day}", "{partition}"),
        '["a", "{dimension.dya}"], partitions=ProductPartitions(day=DAYS, key=KEYS)': ("'dimension.day'", "{{ and }}"),
        '["a", "x}"]': ("has a single }", "{{ and }}"),
        '["a", \'{"n": 1}\']': ("no placeholder", "{{ and }} for braces"),
        '["a"], output="parqet"': ("did you mean 'parquet'?", "or None"),
        '["a"], environment="PATH"': ("environment='PATH'", '["PATH", {"MODE": "fast"}]'),
        '["a"], environment=["A=1"]': ("'A=1', which is no variable", '{"MODE": "fast"}'),
        '["a"], environment=["A", {"A": "1"}]': ("names A twice", "leave one"),
        '["a"], environment={"A": 1}': ("A the value 1", "give a text"),
        '["a"], environment=["ASSETS_OUTPUT"]': ("names ASSETS_OUTPUT", "given by themselves"),
        '["a"], files=["absent.py"]': ("no such file", "name files relative to"),
        '["a"], files=["../x.py"]': ("outside of the project", "name files in it"),
        '["a"], files="x.py"': ("files='x.py' is no list", "scripts/model.py"),
        '["a"], folder="nowhere"': ("does not exist", "relative to the project"),
        '["a"], folder="/tmp"': ("no folder inside of the project", '"."'),
        '["a"], upstreams="orders"': ("upstreams='orders'", "list of keys"),
        '["a"], upstreams={"orders": "orders"}': ("is 'orders'", 'Upstream("key")'),
        '["a"], upstreams={"my orders": Upstream("orders")}': ("'my orders'", "dict of upstreams"),
        '["a"], upstreams={"o": Upstream("orders"), "O": Upstream("orders")}': ("two inputs", "dict of upstreams"),
        '["a", "{input.orders}", "{inputs.orders}"], upstreams=["orders"]': ("as a file and as a folder", "{inputs."),
        '["a"], upstreams=["ordrs"]': ("ordrs", "orders"),
        '["a"], timeot="1s"': ("no timeot=", "timeout"),
    }  # fmt: skip
    found = wrong(tmp_path, *cases)
    for number, (case, (what, remedy)) in enumerate(cases.items()):
        texts = [text for line, text in found if line == number]
        assert any(what in text and remedy in text for text in texts), (case, texts)


def test_parameters_of_the_settings_are_not_for_commands(tmp_path: Path) -> None:
    (tmp_path / "definitions").mkdir()
    source = HEAD + 'command_asset("c", ["true"])'
    with pytest.raises(DefinitionErrors, match="c has no parameter 'rate'"):
        assert project_with(tmp_path, source, "[parameters.c]\nrate = 1\n").loaded


def test_a_command_is_an_asset_with_edges_and_a_kind(tmp_path: Path) -> None:
    project = declared(
        tmp_path,
        """
first = command_asset("shop/first", ["true", "{input.orders}", "{{{partition}}}"], upstreams=[orders], partitions=DAYS,
    output="csv", after=["orders"], owners=["team:a"], tags={"a": "b"}, group="g", description="d", timeout="5m")
command_asset("last", ["true", "{inputs.shop_first}", "{input.o}"],
    upstreams={"shop_first": Upstream(first), "o": Upstream("orders", columns=["n"])}, libraries=["polars"])
""",
    )
    one, last = project.graph.assets[AssetKey("shop/first")], project.graph.assets[AssetKey("last")]
    assert (one.kind, one.owners, one.group, one.handling.timeout_seconds) == (AssetKind.COMMAND, ("team:a",), "g", 300)
    assert [(edge.name, edge.upstream, edge.by_partition) for edge in last.edges] == [
        ("shop_first", "shop/first", True),
        ("o", "orders", False),
    ]
    command = project.loaded.runtimes[AssetKey("shop/first")].command
    assert command is not None
    assert command.arguments[2].fill({"partition": "x"}) == "{x}"
    assert parts_of(project, "last", "library") != {}
    shape = parts_of(project, "last", "interface")["shape"]
    assert shape is not None
    assert "input shop_first: a folder of Parquet files by partition" in shape
    assert "input o: a Parquet file, columns ['n']" in shape


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


SCRIPT = """
import json, near
from package import inner
from package.deep import thing as other
def late():
    from . import sibling
    import absent_module
"""


def test_the_files_of_a_command_are_followed_as_far_as_statements_of_import_tell(tmp_path: Path) -> None:
    files = {
        "scripts/model.py": SCRIPT,
        "scripts/near.py": "from package import used",
        "scripts/package/__init__.py": "",
        "scripts/package/inner.py": "from .relative import x",
        "scripts/package/relative.py": "x = 1",
        "scripts/package/deep/thing.py": "",
        "scripts/sibling.py": "",
        "scripts/not_used.py": "",
        "data/a.txt": "text",
        "data/sub/b.txt": "more",
        "data/c.txt": "conf",
        "tool/main.py": "",
        "tool/__init__.py": "",
    }
    write(tmp_path, files)
    project = declared(
        tmp_path,
        """
command_asset("model", ["python", "scripts/model.py", "--conf=data/c.txt"], files=["data"])
command_asset("tool", ["python", "-m", "tool.main", "scripts", "{report}"])
command_asset("there", ["python", "main.py"], folder="tool", environment=[{"PYTHONPATH": "../scripts"}])
""",
    )
    assert set(parts_of(project, "model", "file")) == {
        *(f"scripts/{name}.py" for name in ("model", "near", "sibling")),
        *(f"scripts/package/{name}.py" for name in ("__init__", "inner", "relative", "deep/thing")),
        "data/a.txt",
        "data/sub/b.txt",
        "data/c.txt",
    }
    assert set(parts_of(project, "tool", "file")) == {"tool/__init__.py", "tool/main.py"}
    assert set(parts_of(project, "there", "file")) == {"tool/main.py"}


def version(root: Path) -> str:
    return find_project(root).graph.assets[AssetKey("c")].code_version


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ("x = 1", "x  =  1  # one", False),
        ('"""Text."""\nx = 1', '"""Another."""\nx = 1', False),
        ("x = 1", "x = 2", True),
        ('"""A."""\nprint(__doc__)', '"""B."""\nprint(__doc__)', True),
        ("# /// script\n# dependencies = ['a']\n# ///", "# /// script\n# dependencies = ['b']\n# ///", True),
        ("#!/usr/bin/python3\nx = 1", "#!/usr/bin/python3 -O\nx = 1", True),
        ("no python at all", "no  python at all", True),
    ],
)
def test_what_counts_of_a_python_script(tmp_path: Path, before: str, after: str, counts: bool) -> None:
    write(tmp_path, {"s.py": before})
    root = declared(tmp_path, 'command_asset("c", ["python", "s.py"])').root
    first = version(root)
    write(tmp_path, {"s.py": after})
    assert (version(root) != first) == counts


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('["a", "b"]', '["a b"]'),
        ('["a"]', '["a"], output="csv"'),
        ('["a"], output="csv"', '["a"], output="parquet"'),
        ('["a"], environment={"A": "1"}', '["a"], environment={"A": "2"}'),
        ('["a"], environment=["A"]', '["a"], environment=["B"]'),
        ('["a"]', '["a"], folder="definitions"'),
        ('["a", "{input.orders}"], upstreams=["orders"]', '["a", "{inputs.orders}"], upstreams=["orders"]'),
        ('["a", "{partition_start}"], partitions=DAYS',
         '["a", "{partition_start}"], partitions=DailyPartitions("2026-01-01", "2026-01-04", tz="Europe/Berlin")'),
    ],
)  # fmt: skip
def test_what_counts_of_a_declaration(tmp_path: Path, before: str, after: str) -> None:
    root = declared(tmp_path, f'command_asset("c", {before})').root
    first = version(root)
    declared(tmp_path, f'command_asset("c", {after})')
    assert version(root) != first


def test_the_value_of_an_allowed_variable_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "1")
    root = declared(tmp_path, 'command_asset("c", ["a"], environment=["A"])').root
    first = version(root)
    monkeypatch.setenv("A", "2")
    assert version(root) == first


def is_remembered(root: Path) -> bool:
    project = find_project(root)
    return remember.recall(project.definitions, project.state, project.settings.configured) is not None


def test_definitions_are_remembered_until_a_file_of_a_command_changes_or_appears(tmp_path: Path) -> None:
    write(tmp_path, {"scripts/s.py": "import time\nprint(time.time())\nimport near", "scripts/d.txt": "1"})
    root = declared(tmp_path, 'command_asset("c", ["python", "scripts/s.py"], files=["scripts/d.txt"])').root
    first = version(root)
    assert is_remembered(root), "that a script asks for the time is no matter"
    for name, text in (("scripts/near.py", ""), ("scripts/near.py", "x = 1"), ("scripts/d.txt", "2")):
        (root / name).write_text(text, encoding="utf-8")
        assert not is_remembered(root)
        assert version(root) != first
        first = version(root)
        assert is_remembered(root)


def test_binary_and_unreadable_files_are_parts_too(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"\x00\xff" * 10)
    project = declared(tmp_path, 'command_asset("c", ["./model.bin"])')
    text = parts_of(project, "c", "file")["model.bin"]
    assert text is not None
    assert text.startswith("(20 bytes, BLAKE3 ")
    first = version(project.root)
    (tmp_path / "model.bin").write_bytes(b"\x00\xfe" * 10)
    assert version(project.root) != first
    if os.geteuid() != 0:
        (tmp_path / "model.bin").chmod(0)
        assert "cannot be read" in wrong(tmp_path, '["./model.bin"]')[0][1]
