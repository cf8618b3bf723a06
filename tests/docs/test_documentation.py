"""What the documentation says is true: its examples run, every command, cause and file that it should name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from assets_core.cli import app
from assets_core.declare import Handled
from assets_core.materialize import materialize, plan
from assets_core.planning.staleness import Cause
from assets_core.project import find_project

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def write_project(page: Path, folder: Path) -> None:
    """Make a project of a page's examples: the first TOML block, the Python files, the SQL queries with a header."""
    (folder / "definitions").mkdir()
    (folder / "assets.toml").write_text(blocks(page, "toml")[0], encoding="utf-8")
    for block in blocks(page, "python"):
        name = re.match(r"# (definitions/\w+\.py)\n", block)
        assert name is not None, f"an example of {page.name} names no file: {block[:60]}"
        (folder / name[1]).write_text(block, encoding="utf-8")
    for number, block in enumerate(blocks(page, "sql")):
        (folder / "definitions" / f"query_{number}.sql").write_text(block, encoding="utf-8")


def test_the_readme_s_project_runs(tmp_path: Path) -> None:
    write_project(ROOT / "README.md", tmp_path)
    landing = tmp_path / "landing"
    landing.mkdir()
    project = find_project(tmp_path)
    for day in ("2026-01-05", "2026-02-27"):
        (landing / f"orders-{day}.csv").write_text("product,amount,test\ntea,3,false\ntea,4,true\n", encoding="utf-8")
    result = materialize(project, "orders", "2026-01-05,2026-02-27")
    assert (result.made, result.failed) == (2, 0)


def test_the_examples_of_declaring_load_and_run(tmp_path: Path) -> None:
    write_project(ROOT / "docs/declaring.md", tmp_path)
    project = find_project(tmp_path)
    assert {"orders", "revenue", "week", "finance/best", "total", "prices", "price_list", "weather"} <= set(
        project.graph.assets
    )
    result = materialize(
        project, "+week or +finance/best or total or price_list or weather or finance/daily or +receipt", None
    )
    assert result.failures == []
    assert result.blocked == 0
    assert [warned.check.message for warned in result.warned] == ["1 products"]
    assert (
        plan(
            find_project(tmp_path),
            "+week or +finance/best or total or price_list or weather or finance/daily or +receipt",
        ).stale
        == 0
    )


def test_the_examples_of_running_run(tmp_path: Path) -> None:
    write_project(ROOT / "docs/running.md", tmp_path)
    result = materialize(find_project(tmp_path))
    assert (result.made, result.failed) == (14, 0)
    handling = find_project(tmp_path).graph.assets["rates"].handling  # type: ignore[index]
    text = (ROOT / "docs/running.md").read_text(encoding="utf-8")
    assert handling.pool == "warehouse"
    assert [name for name in Handled.__annotations__ if f"`{name}`" not in text] == []


def test_the_ten_line_verifier_of_the_journal_accepts_ours_and_sees_a_change(tmp_path: Path) -> None:
    write_project(ROOT / "docs/declaring.md", tmp_path)
    materialize(find_project(tmp_path), "price_list")
    source = next(block for block in blocks(ROOT / "docs/journal.md", "python") if "def verify" in block)
    names: dict[str, object] = {}
    exec(compile(source, "docs/journal.md", "exec"), names)  # noqa: S102  # the example itself is what is tested
    verify = names["verify"]
    assert callable(verify)
    journal = tmp_path / ".assets/journal"
    assert verify(journal) > 5
    segment = next(journal.glob("*.jsonl"))
    text = segment.read_bytes()
    segment.write_bytes(text.replace(b"price_list", b"price_lost", 1))
    with pytest.raises(AssertionError, match="altered"):
        verify(journal)


def test_every_file_that_a_page_links_to_exists() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} names {target}"


def test_every_command_is_in_the_readme_and_every_json_shape_is_documented() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shapes = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    names = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # a group has commands
        names += [f"{name} {part}" for part in getattr(command, "commands", {})] or [name]
    assert len(names) == 32
    for name in names:
        assert f"`assets {name}" in readme, name
        assert f"`assets {name}" in shapes, name


def test_every_cause_is_documented() -> None:
    shapes = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    for cause in Cause:
        assert f"| `{cause.kind}` |" in shapes


def test_architecture_names_every_package_and_the_heart_of_each() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for folder in sorted((ROOT / "assets_core").iterdir()):
        if (folder / "__init__.py").exists():
            assert f"assets_core/{folder.name}/" in text, folder.name
