"""Does the sample project do through the command what its README promises: made, judged, changed, explained?

Two months of its year, in a copy of its own; each test finds everything made and leaves it so.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Project, run_here

SAMPLE = Path(__file__).parents[2] / "sample_project"
DAYS, MONTHS = 59, 2
DAILY = ("flights", "weather", "flights_in_weather", "departures", "daily_punctuality", "rolling_punctuality")
MONTHLY = ("carrier_months", "destination_months", "weather_impact")
WHOLE = ("planes", "airports", "airlines", "plane_usage", "carrier_year")
CELLS = DAYS * len(DAILY) + MONTHS * len(MONTHLY) + len(WHOLE)
NOTHING = f"nothing to do: {CELLS} cells fresh\n"
COMMANDS = ["list", "plan", "materialize", "backfill", "status", "explain", "runs", "show", "query", "lineage"]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """January and February of the sample, delivered and made by the command."""
    project = Project(tmp_path_factory.mktemp("sample") / "sample_project")
    shutil.copytree(SAMPLE, project.root, ignore=shutil.ignore_patterns(".assets", "landing", "__pycache__"))
    subprocess.run([sys.executable, str(project.root / "land.py")], check=True, capture_output=True)
    for path in (project.root / "nycflights").iterdir():
        if path.is_file():
            path.write_text(path.read_text().replace("2014-01-01", "2013-03-01"))
    made = project.process("backfill", "*", "--partitions", "2013-01-01..2013-02-28")
    assert made.code == 0, made.err
    yield project
    project.end_all()


@pytest.fixture
def raw_day(sample: Project) -> Iterator[Path]:
    """The delivery of the first day of the year, put back and made again when the test is over."""
    path = sample.root / "landing" / "flights" / "2013-01-01.csv"
    before = path.read_bytes()
    yield path
    path.write_bytes(before)
    sample.must("materialize")


def test_every_cell_of_the_range_is_made_once_and_the_record_proves_it(sample: Project) -> None:
    assert len(sample.made()) == CELLS
    assert {row[0]: int(row[2]) for row in sample.must("status").rows} == {
        **dict.fromkeys(DAILY, DAYS),
        **dict.fromkeys(MONTHLY, MONTHS),
        **dict.fromkeys(WHOLE, 1),
    }
    verified = sample.process("audit", "verify")
    assert (verified.code, verified.out) == (0, ""), verified
    assert sample.must("materialize").err == NOTHING


def test_the_marts_agree_with_the_deliveries(sample: Project) -> None:
    delivered = sum(
        (sample.root / "landing" / "flights" / f"{day}.csv").read_bytes().count(b"\n") - 1
        for day in [f"2013-01-{n:02}" for n in range(1, 32)] + [f"2013-02-{n:02}" for n in range(1, 29)]
    )
    for question in (
        "SELECT sum(flights) AS n FROM carrier_year",
        "SELECT sum(flights) AS n FROM carrier_months",
        "SELECT sum(flights) AS n FROM daily_punctuality",
        "SELECT sum(flights) AS n FROM destination_months",
        "SELECT count(*) AS n FROM departures",
    ):
        assert sample.query(question) == [{"n": delivered}], question


def test_the_true_defect_of_the_weather_is_published_with_a_warning(sample: Project) -> None:
    told = sample.must("explain", "weather@2013-02-12", "--json").value
    (warning,) = [check for check in told["checks"] if not check["passed"]]
    assert warning["severity"] == "warn"
    assert "1,048.36 mph" in warning["message"]
    assert told["state"] == "fresh"


def test_times_with_a_zone_are_shown_and_queried(sample: Project) -> None:
    first = sample.must("show", "flights", "--partition", "2013-01-01", "--limit", "1", "--json").value["first"][0]
    assert first["scheduled_at"] == "2013-01-01 10:15:00+00:00"  # a quarter past five in New York
    assert sample.query("SELECT min(scheduled_at) AS first FROM flights") == [{"first": "2013-01-01 10:15:00+00:00"}]


def test_a_late_flight_rebuilds_its_day_and_what_reads_it(sample: Project, raw_day: Path) -> None:
    text = raw_day.read_text()
    assert "517,515,2,830,819,11" in text
    raw_day.write_text(text.replace("517,515,2,830,819,11", "520,515,5,833,819,14", 1))
    planned = {(step["asset"], step["partition"]) for step in sample.must("plan", "--json").value["steps"]}
    week = [f"2013-01-0{n}" for n in range(1, 8)]
    reads = {
        *((asset, "2013-01-01") for asset in ("flights", "flights_in_weather", "departures", "daily_punctuality")),
        *(("rolling_punctuality", day) for day in week),
        *((asset, "2013-01") for asset in MONTHLY),
        ("carrier_year", None),
    }
    assert planned - {("plane_usage", None)} == reads
    before = sample.tail
    sample.must("materialize")
    made = {(record["asset"], record["partition"]) for record in sample.records("materialized", behind=before)}
    assert made == reads  # not plane_usage: nothing that it reads has changed
    assert sample.must("materialize").err == NOTHING


def test_a_line_delivered_twice_makes_one_cell_again_and_nothing_after_it(sample: Project, raw_day: Path) -> None:
    text = raw_day.read_text()
    raw_day.write_text(text + text.splitlines()[-1] + "\n")
    before = sample.tail
    sample.must("materialize")
    assert sample.made(behind=before) == {"flights@2013-01-01"}
    assert sample.must("materialize").err == NOTHING


def test_another_limit_of_lateness_makes_its_users_stale_and_their_readers_provisional(sample: Project) -> None:
    rule = sample.root / "nycflights" / "punctuality.py"
    before = rule.read_text()
    try:
        rule.write_text(before.replace("LATE_AFTER_MINUTES = 15", "LATE_AFTER_MINUTES = 20"))
        printed = sample.must("plan")
        assert {row[0]: (row[1], row[3]) for row in printed.rows} == {
            "daily_punctuality": ("59", "code changed: nycflights.punctuality:LATE_AFTER_MINUTES"),
            "destination_months": ("2", "code changed: nycflights.punctuality:LATE_AFTER_MINUTES"),
            "rolling_punctuality": (
                "59",
                "upstream will run: daily_punctuality@2013-01-01..2013-02-28, since daily_punctuality: code changed",
            ),
        }
        rule.write_text("# Who is late?\n" + before.replace("LATE_AFTER_MINUTES = 15", "LATE_AFTER_MINUTES  =  15"))
        assert sample.must("materialize").err == NOTHING
    finally:
        rule.write_text(before)


def test_lineage_leads_from_the_year_of_a_carrier_to_the_raw_deliveries(sample: Project) -> None:
    edges = sample.must("lineage", "carrier_year", "--upstream", "--json").value["edges"]
    assert {"raw_flights", "raw_airlines"} <= {edge["from"] for edge in edges}
    columns = sample.must("lineage", "carrier_year.flights", "--upstream", "--json").value["edges"]
    assert ("carrier_months.flights", "carrier_year.flights") in {(edge["from"], edge["to"]) for edge in columns}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_in_the_help_of_a_command_works_on_the_sample(sample: Project, command: str) -> None:
    text = " ".join(run_here(command, "--help").out.split())
    found = re.search(r"Example: (assets .*?) (?:Example|Arguments|Options):", text)
    assert found is not None
    words = shlex.split(found[1].replace("2013-06-30", "2013-02-28").replace("2013-03", "2013-02"))
    assert words[:2] == ["assets", command]
    sample.must(*words[1:])
