"""Does every command explain itself, print facts as documented, and meet a slip with the near miss and exit code 2?"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from command import COMMAND, Project, run_here

from assets_core import materialize

COMMANDS = [
    ("list",),
    ("plan",),
    ("materialize",),
    ("backfill",),
    ("status",),
    ("explain",),
    ("logs",),
    ("show",),
    ("query",),
    ("diff",),
    ("lineage",),
    ("rollback",),
    ("gc",),
    *(("partitions", command) for command in ("list", "add", "remove")),
    ("runs",),
    *(("runs", command) for command in ("pause", "resume", "cancel", "concurrency", "retry")),
    *(("audit", command) for command in ("verify", "anchor", "prove", "key", "skips")),
    *(("catalog", command) for command in ("tables", "query", "rebuild", "compact", "backup", "restore")),
]
RUN = {"run", "made", "fresh", "failed", "blocked", "withheld", "retried", "left", "seconds"}
ASSETS = """
    import polars as pl
    from assets_core import DailyPartitions, MonthlyPartitions, Partition, StaticPartitions, asset, sql_asset

    DAYS = DailyPartitions("2024-01-01", "2024-01-11")

    @asset(partitions=DAYS, tags={"domain": "sales"}, owners=["team:shop"], group="raw")
    def days(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"day": [partition.key], "[red]n[/]": [float("nan")]})

    @asset(partitions=StaticPartitions(["eu", "us"]))
    def regions(partition: Partition) -> pl.DataFrame:
        return pl.DataFrame({"region": [partition.key], "n": [2]})

    @asset(key="marts/final")
    def final(regions: pl.DataFrame) -> pl.DataFrame:
        return regions

    sql_asset("summed", 'SELECT sum(n) AS n FROM "marts/final"')
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with everything made, which these tests only ask."""
    project = Project(tmp_path_factory.mktemp("asked"))
    project.write("assets.toml", '[project]\nname = "asked"\n')
    project.define(ASSETS)
    project.must("materialize")
    return project


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    outcome = run_here(*command, "--help")
    assert outcome.code == 0
    assert f"Example: assets {' '.join(command)}" in outcome.out
    assert "--project DIR" in outcome.out or command == ("audit", "key")
    assert outcome.err == ""


def test_help_of_the_whole_lists_every_command_with_a_line_each() -> None:
    listed = re.findall(r"^  ([a-z]+) +[A-Z]", run_here("--help").out, re.MULTILINE)
    assert listed == list(dict.fromkeys(command[0] for command in COMMANDS))


def test_the_version_is_printed() -> None:
    assert re.fullmatch(r"assets-core \d+\.\d+\.\d+\n", run_here("--version").out)


@pytest.mark.parametrize(
    ("arguments", "members"),
    [
        (("plan", "--force"), {"stale", "causes", "forecast", "groups", "steps"}),
        (("materialize",), RUN),
        (("materialize", "summed", "--force"), RUN),
        (("backfill", "*", "--partitions", "2024"), RUN),
        (("status",), {"asset", "cells", "fresh", "stale", "missing", "failed"}),
        (("status", "--as-of", "30"), {"asset", "published", "failed", "rows", "bytes", "newest_at"}),
        (("show", "days"), {"asset", "partition", "cells", "rows", "bytes", "schema", "first"}),
        (("lineage", "summed"), {"target", "edges"}),
        (("gc",), {"deleted", "bytes", "files"}),
        (("catalog", "tables"), {"name", "kind", "rows", "what"}),
        (("catalog", "tables", "cell"), {"column", "type", "what"}),
        (("catalog", "query", "SELECT 1 AS one"), {"one"}),
        (
            ("audit", "verify"),
            {
                *("problems", "notes", "losses", "records", "segments", "seals", "sealed", "signed", "keys"),
                *("pruned", "root", "files"),
            },
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_json_has_exactly_the_documented_members_and_stands_alone_on_stdout(
    made: Project, arguments: tuple[str, ...], members: set[str]
) -> None:
    outcome = made.must(*arguments, "--json")
    assert outcome.out.count("\n") == 1
    rows = outcome.value if isinstance(outcome.value, list) else [outcome.value]
    assert rows
    assert all(row.keys() == members for row in rows)


def test_a_planned_step_in_json_has_exactly_the_documented_members(project: Project) -> None:
    project.define(ASSETS)
    plan = project.must("plan", "--json").value
    assert plan["stale"] == len(plan["steps"]) == 14
    assert all(step.keys() == {"asset", "partition", "causes", "provisional", "blocked"} for step in plan["steps"])
    by_cell = {(step["asset"], step["partition"]): step for step in plan["steps"]}
    assert by_cell["days", "2024-01-01"]["causes"] == [{"kind": "missing"}]
    assert by_cell["summed", None] == {
        "asset": "summed",
        "partition": None,
        "causes": [
            {"kind": "missing"},
            {
                "kind": "upstream_will_run",
                "upstream": "marts/final",
                "partitions": [],
                "roots": [{"asset": "marts/final", "kind": "missing"}],
            },
        ],
        "provisional": False,
        "blocked": False,
    }


def test_a_plan_for_people_gives_ranges_and_not_a_line_a_cell(project: Project) -> None:
    project.define(ASSETS)
    rows = project.must("plan").rows
    assert rows[0] == ["days", "10", "2024-01-01..2024-01-10", "missing"]
    assert rows[1] == ["regions", "2", "eu..us", "missing"]
    assert len(rows) == 4


def words(text: str) -> set[str]:
    return set(text.split())


def test_json_of_explain_runs_and_list_has_the_documented_members(made: Project) -> None:
    told = made.must("explain", "days@2024-01-01", "--json").value
    assert told.keys() >= words("cell asset partition state causes inputs version rows made checks failure")
    (run, *_) = made.must("runs", "--json").value
    assert run.keys() == words(
        "run kind selection partitions state cells made fresh failed blocked started seconds by continues"
    )
    (asset,) = made.must("list", "regions", "--json").value
    assert asset.keys() >= words("asset kind file line code_version partitions upstreams checks owners")
    assert (asset["file"], asset["line"]) == ("definitions/assets.py", 10)


def test_assets_can_be_joined_by_the_columns_that_they_share(made: Project) -> None:
    (row,) = made.must("query", 'SELECT sum(n) AS n FROM regions JOIN "marts/final" USING (region, n)', "--json").value
    assert row == {"n": 4}


def test_json_of_a_query_has_numbers_for_sums_and_null_for_nan(made: Project) -> None:
    assert made.query("FROM summed") == [{"n": 4}]
    assert made.query('SELECT DISTINCT "[red]n[/]" AS n FROM days') == [{"n": None}]
    (row,) = made.query(
        "SELECT DATE '2024-01-01' AS d, 1.50::DECIMAL(9, 2) AS m, NULL AS o, MAP {DATE '2024-01-01': 1} AS x"
    )
    assert row == {"d": "2024-01-01", "m": "1.50", "o": None, "x": {"2024-01-01": 1}}


def test_lineage_events_are_one_json_object_a_line_and_nothing_else(made: Project) -> None:
    for arguments in (("lineage", "events"), ("lineage", "events", "--json")):
        events = [json.loads(line) for line in made.must(*arguments).out.splitlines()]
        assert {event["eventType"] for event in events} == {"START", "COMPLETE"}
        assert all({"eventTime", "run", "job", "producer", "schemaURL"} <= event.keys() for event in events)


@pytest.mark.parametrize(
    ("arguments", "what", "remedy"),
    [
        (("explain", "dys@2024-01-01"), "there is no asset 'dys' (did you mean 'days'?)", "assets list"),
        (("explain", "days"), "days has partitions", "as in days@2024-01-01"),
        (("explain", "days@2024-02-01"), "outside of its partitions (2024-01-01 to 2024-01-10)", "name one inside"),
        (("explain", "days@x"), "'x' is not a key of daily partitions", "write it like 2024-01-01"),
        (("explain", "regions@eur"), "'eur' is not a key of these static partitions (did you mean 'eu'?)", "eu, us"),
        (("explain", "marts/final@x"), "marts/final has no partitions", "write marts/final"),
        (("explain", "days@"), "'days@' names no partition", "behind the @"),
        (("plan", "dys"), "no asset matches 'dys' (did you mean 'days'?)", "use one of days,"),
        (("materialize", "dys"), "no asset matches 'dys' (did you mean 'days'?)", "use one of days,"),
        (("backfill", "dys", "--partitions", "2024"), "no asset matches 'dys' (did you mean 'days'?)", "use one of"),
        (("status", "dys"), "no asset matches 'dys' (did you mean 'days'?)", "use one of days,"),
        (("list", "tag:domian"), "no tag matches 'domian' (did you mean 'domain'?)", "use one of domain"),
        (("list", "owner:team:shp"), "no owner matches 'team:shp' (did you mean 'team:shop'?)", "team:shop"),
        (("list", "group:rw"), "no group matches 'rw' (did you mean 'raw'?)", "use one of default, raw"),
        (("list", "state:stal"), "there is no state 'stal' (did you mean 'stale'?)", "use stale, missing"),
        (("list", "days and"), "an asset is missing here", "write an asset key"),
        (("list", "(days"), "this ( is not closed", "add a )"),
        (("list", ""), "the selection is empty", "* for all assets"),
        (("plan", "--partitions", "2025"), "no partition of the selected assets is in '2025'", "give a range inside"),
        (("plan", "--partitions", "2024-01-09..2024-01-01"), "ends before it begins", "write 2024-01-01..2024-01-09"),
        (("plan", "days", "--partitions", "soon"), "'soon' is not a time or a key of daily partitions", "2024-01-01"),
        (("plan", "regions", "--partitions", "eur"), "static partitions (did you mean 'eu'?)", "use one of eu, us"),
        (("materialize", "--partitions", "2024-01-01,"), "'' is not a time or a key", "write it like"),
        (("show", "dys"), "there is no asset 'dys' (did you mean 'days'?)", "assets list"),
        (("show", "days", "--partition", "2024-01-99"), "'2024-01-99' is not a key of daily partitions", "2024-01-01"),
        (("query", "FROM dys"), "there is no asset 'dys' (did you mean 'days'?)", "assets list"),
        (("query", "SELEC 1"), 'syntax error at or near "SELEC"', "correct the query"),
        (("query", "FROM read_csv('/etc/passwd')"), "file system operations are disabled", "correct the query"),
        (("query", "COPY days TO 'copy.csv'"), "file system operations are disabled", "correct the query"),
        (("query", "SELECT 1; SELECT 2"), "Expected a single statement", "correct the query"),
        (("lineage", "sumed"), "there is no asset 'sumed' (did you mean 'summed'?)", "assets list"),
        (("lineage", "summed.m"), "nothing is recorded of column 'summed.m' (did you mean 'summed.n'?)", "columns"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_slip_ends_with_code_2_the_near_miss_and_the_remedy(
    made: Project, arguments: tuple[str, ...], what: str, remedy: str
) -> None:
    outcome = made.run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert what in outcome.err
    assert remedy in outcome.err.rpartition("\n  remedy: ")[2]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("materialise",), "Did you mean 'materialize'?"),
        (("backfill", "days"), "--partitions"),
        (("list", "--jsn"), "--json"),
        (("runs", "--limit", "0"), "--limit"),
    ],
)
def test_a_slip_in_the_words_of_the_command_ends_with_code_2(arguments: tuple[str, ...], what: str) -> None:
    outcome = run_here(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert what in outcome.err
    assert "Traceback" not in outcome.err


def test_a_wrong_selection_writes_nothing(project: Project) -> None:
    project.define(ASSETS)
    assert project.run("materialize", "dys").code == 2
    assert project.journal == []


def test_piped_output_is_separated_by_tabs_without_escape_codes(made: Project) -> None:
    outcome = made.process("status", env={**os.environ, "TERM": "xterm-256color"})
    assert outcome.out.splitlines()[:2] == [
        "asset\tcells\tfresh\tstale\tmissing\tfailed",
        "days\t10\t10\t0\t0\t0",
    ]
    assert "\x1b" not in outcome.out + outcome.err
    assert "\x1b" not in made.process("materialize", "summed", "--force", env={**os.environ, "FORCE_COLOR": "1"}).err


def on_a_terminal(project: Project, *arguments: str, **variables: str) -> tuple[int, str]:
    """Return the exit code and what a person would be sent, with both streams on a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **variables}
    process = subprocess.Popen(
        [COMMAND, *arguments], cwd=project.root, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    sent = b""
    try:
        while chunk := os.read(ours, 65_536):
            sent += chunk
    except OSError:  # how a terminal says that nobody writes to it any more
        pass
    os.close(ours)
    return process.wait(), sent.decode()


def test_a_terminal_is_given_a_table_in_which_names_that_look_like_markup_are_names(made: Project) -> None:
    code, sent = on_a_terminal(made, "show", "days", "--limit", "1")
    assert code == 0
    assert "[red]n[/] (DOUBLE)" in sent
    assert "─" in sent
    assert "\t" not in sent


def test_no_color_is_obeyed_on_a_terminal(made: Project) -> None:
    colour = re.compile(r"\x1b\[(?:3\d|4\d|9\d|38;|48;)")
    assert colour.search(on_a_terminal(made, "materialize", "summed", "--force")[1])
    for arguments in (("materialize", "summed", "--force"), ("status",)):
        code, sent = on_a_terminal(made, *arguments, NO_COLOR="1")
        assert code == 0
        assert not colour.search(sent)


@pytest.mark.parametrize(
    "arguments", [("query", "FROM range(200_000)"), ("lineage", "events"), ("list",)], ids=" ".join
)
def test_a_reader_that_goes_away_is_no_error(made: Project, arguments: tuple[str, ...]) -> None:
    process = made.start(*arguments)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() in (0, 1)


def test_what_the_terminal_cannot_show_is_escaped_and_no_error(made: Project) -> None:
    latin = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    assert made.process("query", "SELECT 'tea 🫖' AS text", env=latin).out == "text\ntea \\U0001fad6\n"
    outcome = made.process("explain", b"days@\xff".decode(errors="surrogateescape"))
    assert outcome.code == 2
    assert "is not a key of daily partitions" in outcome.err


def test_values_that_would_break_the_lines_of_a_pipe_are_kept_on_theirs(made: Project) -> None:
    outcome = made.must("query", "SELECT 'a' || chr(9) || 'b' || chr(10) || 'c' || chr(27) || '[31m' AS text, 1 AS n")
    assert outcome.out == "text\tn\na b c [31m\t1\n"


def test_an_error_of_the_product_itself_asks_to_be_reported_and_ends_with_code_3(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(materialize, "recorded_world", None)
    outcome = made.run("status")
    assert outcome.code == 3
    assert "please report" in outcome.err
    assert "TypeError" in outcome.err


def test_a_file_where_a_folder_belongs_is_named(project: Project) -> None:
    project.define(ASSETS)
    (project.root / ".assets").write_text("a file where a folder belongs")
    outcome = project.run("status")
    assert outcome.code == 3
    assert f"error: {project.root / '.assets'}" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_project_may_be_named_from_elsewhere_and_is_found_from_inside(made: Project, tmp_path: Path) -> None:
    assert made.process("list", "--project", str(made.root), cwd=tmp_path).code == 0
    assert made.process("list", cwd=made.root / "definitions").code == 0
    assert made.process("list", cwd=tmp_path).code == 2
