"""Do the commands of the page on operating work, one after the other, as they stand there?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from test_documentation import ROOT, blocks

from assets_core import partitions_of
from assets_core.project import find_project

PAGE = ROOT / "docs/operating.md"
DEFINITIONS = """
import polars as pl
from assets_core import asset

RATE = 1

@asset()
def total() -> pl.DataFrame:
    return pl.DataFrame({"n": [RATE]})
"""

DYNAMIC = """
from assets_core import DynamicPartitions, Partition

@asset(partitions=DynamicPartitions("deliveries"))
def delivered(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({"delivery": [partition.key]})
"""


def test_the_commands_of_the_page_on_operating_work_in_order(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "definitions").mkdir(parents=True)
    (project / "assets.toml").write_text('[project]\nname = "operated"\n')
    (project / "definitions" / "assets.py").write_text(DEFINITIONS)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(command: str) -> None:
        done = subprocess.run(command, shell=True, cwd=project, env=environment, capture_output=True, text=True)  # noqa: S602  # a line of our own page
        assert done.returncode == 0, f"{command}: {done.stderr}"

    run("assets materialize")
    (project / "definitions" / "assets.py").write_text(DEFINITIONS.replace("RATE = 1", "RATE = 2") + DYNAMIC)
    commands = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]
    assert len(commands) == 19
    for command in commands:
        assert command.startswith("assets ")
        if "restore" in command:
            clone = tmp_path / "clone"
            shutil.copytree(project, clone, ignore=shutil.ignore_patterns(".assets", "backups"))
        run(command)
        if command == "assets audit key signing.pem":
            (project / "assets.toml").write_text(blocks(PAGE, "toml")[0])
    settings = find_project(project).settings
    assert (settings.name, settings.signing_key, settings.journal_days) == ("operated", "signing.pem", 400)
    assert settings.record_idle_runs
    assert '"signature": "' in (project / "anchors.jsonl").read_text()
    (project / "landing").mkdir()
    (project / "landing" / "friday.csv").touch()
    names: dict[str, Any] = {}
    exec(compile(blocks(PAGE, "python")[0], str(PAGE), "exec"), names)  # noqa: S102  # the example itself
    names["see_deliveries"](project)
    assert partitions_of(find_project(project), "deliveries").keys == ("two days/later", "friday.csv")


def test_every_setting_is_on_a_page() -> None:
    text = PAGE.read_text() + (ROOT / "README.md").read_text() + (ROOT / "docs/declaring.md").read_text()
    source = (ROOT / "assets_core/project.py").read_text()
    members = re.findall(r'"(\w+)": (?:str|int|list)', source[source.index("_MEMBERS") :])
    assert len(members) > 8
    assert [name for name in members if name not in text] == []
