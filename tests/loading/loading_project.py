"""A small project in a folder, for the tests of loading."""

from __future__ import annotations

import textwrap
from pathlib import Path

from assets_core.model.code_part import CodePart
from assets_core.project import Project, find_project

HEAD = """
from datetime import date, timedelta
from typing import Annotated, Optional
from collections.abc import Mapping
import polars as pl
from assets_core import DailyPartitions, Partition, StaticPartitions, Upstream, asset, external, sql_asset
"""


def project_with(folder: Path, source: str, settings: str = "", **queries: str) -> Project:
    """Write a project of one module, its settings and some SQL files, and return it as the next command finds it."""
    (folder / "definitions").mkdir(exist_ok=True)
    (folder / "assets.toml").write_text('[project]\nname = "x"\n' + textwrap.dedent(settings), encoding="utf-8")
    (folder / "definitions/a.py").write_text(HEAD + textwrap.dedent(source), encoding="utf-8")
    for name, text in queries.items():
        (folder / f"definitions/{name}.sql").write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")
    return find_project(folder.resolve())


def parts_of(project: Project, key: str, kind: str) -> dict[str, str | None]:
    """Return the texts of an asset's parts of one kind, by name."""
    found: tuple[CodePart, ...] = project.code_parts(project.graph.assets[key].key)
    return {part.name: part.text for part in found if part.kind == kind}
