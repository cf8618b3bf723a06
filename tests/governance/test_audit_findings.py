"""Does the audit say what is wrong, where, and which numbers rest on it?"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from assets_core.errors import UserError
from assets_core.execution.actor import open_journal
from assets_core.governance.audit import anchor, prove_cell, read_anchors, verify
from assets_core.materialize import materialize
from assets_core.model.keys import AssetKey, Cell, PartitionKey
from assets_core.project import Project, find_project
from catalog.segments import read
from catalog.session import Catalog

DEFINITIONS = """
import polars as pl
from assets_core import DailyPartitions, Partition, asset

DAYS = DailyPartitions("2024-01-01", "2024-01-04")

@asset(partitions=DAYS)
def first(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({"day": [partition.key]})

@asset(partitions=DAYS)
def second(first: pl.DataFrame) -> pl.DataFrame:
    return first.with_columns(twice=pl.col("day") + pl.col("day"))

@asset()
def total(second: pl.DataFrame) -> pl.DataFrame:
    return second.select(n=pl.len())
"""
DAY = Cell(AssetKey("first"), PartitionKey("2024-01-02"))


@pytest.fixture
def made(tmp_path: Path) -> Project:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "assets.py").write_text(DEFINITIONS)
    (tmp_path / "assets.toml").write_text('[project]\nname = "audited"\n')
    project = find_project(tmp_path)
    assert materialize(project).made == 7
    return find_project(tmp_path)


def file_of(project: Project, cell: Cell) -> Path:
    return project.state / "data" / json.loads(record_text(project, cell))["payload"]["file"]


def record_text(project: Project, cell: Cell) -> str:
    (segment,) = (project.state / "journal").glob("*.jsonl")
    lines = [line[65:] for line in segment.read_text().splitlines() if '"kind":"materialized"' in line]
    (text,) = [
        text
        for text in lines
        if (json.loads(text)["payload"]["asset"], json.loads(text)["payload"]["partition"])
        == (cell.asset, cell.partition)
    ]
    return text


def test_what_was_made_is_as_it_was_written(made: Project) -> None:
    report = verify(made)
    assert (report.findings, report.files) == ([], 7)


def test_an_altered_file_names_its_cell_and_the_cells_that_were_made_from_it(made: Project) -> None:
    file = file_of(made, DAY)
    file.write_bytes(file_of(made, Cell(AssetKey("first"), PartitionKey("2024-01-03"))).read_bytes())
    (finding,) = verify(made).findings
    assert finding.problem.file == file
    assert finding.problem.what == "its bytes are not those that were written"
    assert finding.cells == ("first@2024-01-02", "second@2024-01-02")


def test_files_of_records_without_a_digest_are_judged_by_their_content(made: Project) -> None:
    records = list(read(made.state / "journal"))
    shutil.rmtree(made.state / "journal")
    for index in made.state.glob("catalog.*"):
        index.unlink()
    facts = [(record.kind, {**record.payload}) for record in records[1:]]
    for _, payload in facts:
        payload.pop("file_digest", None)
    open_journal(made).append(facts)
    file = file_of(made, DAY)
    data = file.read_bytes()
    file.write_bytes(data.replace(b"parquet-cpp", b"parquet-c++"))
    assert file.read_bytes() != data
    Catalog(made.state).refresh()
    assert verify(made).findings == []
    file.write_bytes(file_of(made, Cell(AssetKey("first"), PartitionKey("2024-01-03"))).read_bytes())
    (finding,) = verify(made).findings
    assert "the content is" in finding.problem.what


def test_an_altered_record_names_the_cells_that_rest_on_it(made: Project) -> None:
    (segment,) = (made.state / "journal").glob("*.jsonl")
    text = record_text(made, Cell(AssetKey("total")))
    segment.write_text(segment.read_text().replace(text, text.replace('"rows":1', '"rows":2')))
    (finding,) = verify(made).findings
    assert finding.problem.seq == json.loads(text)["seq"]
    assert finding.cells == ("total",)
    assert "affects total" in str(finding)


def test_a_proof_has_the_records_of_the_run_the_making_and_the_publishing(made: Project) -> None:
    proof = prove_cell(made, DAY)
    kinds = [json.loads(record["text"])["kind"] for record in proof["records"]]
    assert kinds == ["session", "run_started", "materialized", "published"]
    assert proof["seal"]["root"] == anchor(made, "again")["root"]
    assert prove_cell(made, DAY)["seal"] == proof["seal"]
    with pytest.raises(UserError, match="nothing of second@2030-01-01 is published"):
        prove_cell(made, Cell(AssetKey("second"), PartitionKey("2030-01-01")))


def test_anchors_are_read_from_files_and_a_wrong_line_is_named(made: Project, tmp_path: Path) -> None:
    file = tmp_path / "anchors.jsonl"
    file.write_text(json.dumps(anchor(made, "kept")) + "\n")
    assert verify(made, read_anchors([file])).findings == []
    file.write_text(file.read_text() + '{"root": 1}\n')
    with pytest.raises(UserError, match=r"anchors\.jsonl:2 is not an anchor"):
        read_anchors([file])


def test_a_run_goes_on_without_the_key_and_an_anchor_does_not(made: Project) -> None:
    (made.root / "assets.toml").write_text('[project]\nname = "audited"\n[audit]\nsigning_key = "elsewhere.pem"\n')
    project = find_project(made.root)
    assert materialize(project, "total", force=True).made == 1
    with pytest.raises(UserError, match=r"the signing key .*elsewhere\.pem is not there"):
        anchor(project, "now")


def test_a_current_file_is_read_also_where_a_record_says_that_it_was_removed(made: Project) -> None:
    text = json.loads(record_text(made, DAY))["payload"]
    forged = {"versions": [[text["asset"], text["version"], text["file"]]], "reason": "so it seems"}
    open_journal(made).append([("collected", forged)])
    Catalog(made.state).refresh()
    assert verify(made).findings == []
    file_of(made, DAY).write_bytes(b"another")
    (finding,) = verify(made).findings
    assert finding.cells[0] == str(DAY)


def test_a_file_without_an_anchor_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "anchors.jsonl"
    for text, said in (("", "holds no anchor"), ('{"segments": 0, "last": 1, "root": "x"}', "is not an anchor")):
        file.write_text(text)
        with pytest.raises(UserError, match=said):
            read_anchors([file])


def test_a_project_of_which_nothing_was_made_has_nothing_wrong(tmp_path: Path) -> None:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "assets.py").write_text(DEFINITIONS)
    (tmp_path / "assets.toml").write_text('[project]\nname = "new"\n')
    project = find_project(tmp_path)
    assert verify(project).findings == []
    with pytest.raises(UserError, match=r"nothing of secnd is published \(did you mean 'second'\?\)"):
        prove_cell(project, Cell(AssetKey("secnd")))
