"""Is a run shown while it goes on, to a person on a terminal and to a program, whatever it meets and however it ends?

A gate, where a test puts one, holds a step until the test lets it pass.
"""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from command import Project, wait_until
from rich.console import Console
from terminal import OnTerminal, Terminal

from assets_core.cli.live import LiveView
from assets_core.cli.screen import Screen
from assets_core.model.run import Progress
from catalog.records import Record

ASSETS = """
    import threading
    import time
    from pathlib import Path

    import polars as pl
    from assets_core import DailyPartitions, MonthlyPartitions, Partition, asset

    DAYS = DailyPartitions("2024-01-01", "2024-03-01")
    GATE = Path("{root}/gate")
    BAD = {bad!r}

    @asset(partitions=DAYS)
    def first(partition: Partition) -> pl.DataFrame:
        print("a step makes", partition.key)  # which is kept as its log
        thread = threading.Thread(target=print, args=(f"made {{partition.key}}\\n",), kwargs={{"end": ""}})
        thread.start()  # what it prints is of no step
        thread.join()
        if partition.key in BAD:
            raise ValueError(f"bad day\\nand more about {{partition.key}}")
        held = GATE / partition.key
        while held.exists():
            time.sleep(0.005)
        return pl.DataFrame({{"day": [partition.key]}})

    @asset(partitions=DAYS)
    def second(first: pl.DataFrame) -> pl.DataFrame:
        return first.with_columns(twice=pl.col("day") + pl.col("day"))

    @asset(partitions=MonthlyPartitions("2024-01-01", "2024-03-01"))
    def month(second: pl.DataFrame) -> pl.DataFrame:
        return second.select(days=pl.len())
"""
GATED = ("2024-02-28", "2024-02-29")
RESULT = {"run", "made", "fresh", "failed", "blocked", "withheld", "retried", "left", "seconds"}


def define(project: Project, *, held: Sequence[str] = (), bad: Sequence[str] = ()) -> Project:
    project.write("assets.toml", '[project]\nname = "days"\n[run]\nthreads = 3\n')
    project.define(ASSETS.format(root=project.root, bad=tuple(bad)))
    (project.root / "gate").mkdir()
    for day in held:
        (project.root / "gate" / day).touch()
    return project


def open_gate(project: Project) -> None:
    for held in (project.root / "gate").iterdir():
        held.unlink()


@pytest.fixture
def started() -> Iterator[list[OnTerminal]]:
    """What a test has started on a terminal; ended, should the test not have come to that."""
    processes: list[OnTerminal] = []
    yield processes
    for one in processes:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def steady(lines: Sequence[str]) -> list[str]:
    """Return what is shown without what differs from run to run."""
    told = re.sub(r"[0-9.,]+/(?:s|min|h), .* left, ", "PACE, ", "\n".join(lines))
    told = re.sub(r"\d+ s so far", "TIME so far", told)
    told = re.sub(r"[\d,]+ MiB", "MEMORY", told)
    return re.sub(r", \d+ s$", ", TIME", told, flags=re.MULTILINE).splitlines()


@pytest.mark.parametrize(("columns", "rows", "bar"), [(80, 24, 28), (200, 50, 40)])
def test_a_person_sees_bars_rate_time_left_and_what_is_at_work(
    project: Project, started: list[OnTerminal], columns: int, rows: int, bar: int
) -> None:
    define(project, held=GATED, bad=["2024-01-13"])
    run = OnTerminal(project.root, "materialize", columns=columns, rows=rows, variables={})
    started.append(run)

    def is_held(lines: Sequence[str]) -> bool:
        told = "\n".join(lines)
        return "▸ first@2024-02-28" in told and "▸ first@2024-02-29" in told and "57 made" in told and " left" in told

    lines = run.until(is_held)
    view = steady(lines[max(place for place, line in enumerate(lines) if not line) :])

    def bars(done: int, planned: int) -> str:
        return "━" * (bar * done // planned) + "─" * (bar - bar * done // planned)

    assert view[:4] == [
        "",
        f"first      {bars(58, 60)}    58/60  1 failed, 57 made",
        f"second     {bars(58, 60)}    58/60  1 blocked, 57 made",
        f"month      {bars(1, 2)}      1/2  1 blocked",
    ]
    assert view[4:6] == [
        f"all cells  {bars(117, 122)}  117/122  1 failed, 2 blocked, 114 made",
        "PACE, TIME so far, 2 steps at work, MEMORY",
    ]
    assert sorted(view[6:]) == ["▸ first@2024-02-28, TIME", "▸ first@2024-02-29, TIME"]
    above = run.terminal.gone + lines[: len(lines) - len(view)]
    assert [line for line in above if line.startswith("failed")] == ["failed: first@2024-01-13: ValueError: bad day"]
    assert sorted(line for line in above if line.startswith("made")) == sorted(
        f"made {cell.partition('@')[2]}" for cell in cells_of("first")
    )
    open_gate(project)
    assert run.end() == 1
    assert "first@2024-01-13: ValueError: bad day" in "\n".join(run.terminal.all)
    require_as_it_was(run.terminal)


def cells_of(asset: str) -> list[str]:
    days = [f"2024-01-{day:02}" for day in range(1, 32)] + [f"2024-02-{day:02}" for day in range(1, 30)]
    return [f"{asset}@{day}" for day in days]


def require_as_it_was(terminal: Terminal) -> None:
    """Nothing of the view is left, and no mode that was not there before."""
    assert not [line for line in terminal.all if "━" in line or "▸" in line]
    assert terminal.shows_cursor
    assert terminal.wraps


def test_the_view_follows_the_size_of_the_terminal(project: Project, started: list[OnTerminal]) -> None:
    define(project, held=GATED)
    run = OnTerminal(project.root, "materialize", columns=200, rows=50, variables={})
    started.append(run)
    run.until(lambda lines: any(line.startswith("all cells") and len(line) > 60 for line in lines))
    run.resize(60, 12)
    lines = run.until(lambda lines: "all cells" in "".join(lines) and all(len(line) < 60 for line in lines[-9:]))
    assert sum("━" in line for line in lines) == 4
    run.resize(30, 4)
    lines = run.until(lambda lines: lines[-1].startswith("all cells") and len(lines[-1]) < 30)
    open_gate(project)
    assert run.end() == 0
    assert run.terminal.shows_cursor
    assert run.terminal.wraps


def test_no_color_takes_the_colours_and_leaves_the_view(project: Project, started: list[OnTerminal]) -> None:
    define(project, held=GATED)
    run = OnTerminal(project.root, "materialize", "first", variables={"NO_COLOR": "1"})
    started.append(run)
    run.until(lambda lines: any("▸ first@2024-02-29" in line for line in lines))
    assert not run.terminal.has_colours
    run.process.kill()
    run.end()
    assert run.terminal.shows_cursor  # whatever the moment: nothing had to be restored
    assert run.terminal.wraps


def test_a_dumb_terminal_is_given_lines(project: Project, started: list[OnTerminal]) -> None:
    define(project)
    run = OnTerminal(project.root, "materialize", variables={"TERM": "dumb"})
    started.append(run)
    assert run.end() == 0
    assert re.search(rb"run [0-9a-f-]{36}: 122 cells to see to\r\n", run.sent)
    assert b"\x1b" not in run.sent


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_leaves_the_terminal_as_it_was(project: Project, started: list[OnTerminal], times: int) -> None:
    define(project, held=GATED)
    run = OnTerminal(project.root, "materialize", variables={})
    started.append(run)
    run.until(lambda lines: any("▸ first@2024-02-29" in line for line in lines))
    run.process.send_signal(signal.SIGINT)
    stopping = "stopping: running steps end first; once more to stop at once"
    lines = run.until(lambda lines: stopping in lines and any("━" in line for line in lines[lines.index(stopping) :]))
    assert lines.count(stopping) == 1
    if times == 2:
        run.process.send_signal(signal.SIGINT)
        assert run.end() == 130
        assert run.terminal.shows_cursor
        assert run.terminal.wraps
        return
    open_gate(project)
    assert run.end() == 130
    assert any(line.startswith("interrupted") for line in run.terminal.all)
    assert stopping in run.terminal.all
    require_as_it_was(run.terminal)


def test_an_error_of_the_run_itself_leaves_the_terminal_as_it_was(project: Project, started: list[OnTerminal]) -> None:
    define(project)
    project.define(
        """
        import shutil

        import polars as pl
        from assets_core import asset

        @asset()
        def harm() -> pl.DataFrame:
            shutil.rmtree(".assets/journal")
            with open(".assets/journal", "w"):
                return pl.DataFrame({"n": [1]})
        """
    )
    run = OnTerminal(project.root, "materialize", variables={})
    started.append(run)
    assert run.end() not in (0, 130)
    assert any(line.startswith("error: ") for line in run.terminal.all)
    require_as_it_was(run.terminal)


def test_a_run_goes_on_when_its_terminal_is_closed(project: Project, started: list[OnTerminal]) -> None:
    define(project, held=GATED)
    run = OnTerminal(project.root, "materialize", variables={})
    started.append(run)
    run.until(lambda lines: any("▸ first@2024-02-29" in line for line in lines))
    opener = threading.Timer(0.3, open_gate, [project])
    opener.start()
    assert run.hang_up() == 0
    assert len(project.made()) == 122


HOSTILE = [
    "\x1b[2J\x1b]0;title\x07",
    "[red]markup[/] [/]",
    "line\nbreak\rback\x08",
    "\u202eright to left\u2066",
    "e" + "\u0301" * 400,
    "x" * 300,
    "\x9b31m",
    "テーブル" * 30,
]


def test_names_that_would_give_orders_are_shown_as_text(project: Project, started: list[OnTerminal]) -> None:
    define(project, held=["hold"])
    project.define(
        f"""
        import json
        import time
        from pathlib import Path

        import polars as pl
        from assets_core import Partition, StaticPartitions, asset

        @asset(partitions=StaticPartitions(json.loads({json.dumps([*HOSTILE, "hold"])!r})))
        def cells(partition: Partition) -> pl.DataFrame:
            while partition.key == "hold" and Path("{project.root}/gate/hold").exists():
                time.sleep(0.005)
            if partition.key != "hold":
                raise ValueError(partition.key + "\\x1b[2J\\x07[bold]")
            return pl.DataFrame({{"n": [1]}})
        """
    )
    run = OnTerminal(project.root, "materialize", variables={})
    started.append(run)
    lines = run.until(lambda lines: any("▸ cells@hold" in line for line in lines) and "8 failed" in "\n".join(lines))
    failed = [line for line in run.terminal.gone + lines if line.startswith("failed: ")]
    assert len(failed) == len(HOSTILE)
    assert any(line.startswith(r"failed: cells@\x1b[2J\x1b]0;title\x07: ValueError: ") for line in failed)
    assert any(line.startswith(r"failed: cells@[red]markup[/] [/]: ValueError: ") for line in failed)
    assert any(line.startswith(r"failed: cells@line\nbreak\rback\x08: ValueError: ") for line in failed)
    assert any(line.startswith(r"failed: cells@\u202eright to left\u2066: ValueError: ") for line in failed)
    open_gate(project)
    assert run.end() == 1  # and the terminal refuses what it would have to obey: the report is as harmless
    require_as_it_was(run.terminal)


# Above the view


def test_what_threads_print_appears_above_the_view_each_line_once() -> None:
    sink = io.StringIO()
    screen = Screen(sink)
    screen.paint(["", "the view", "of three lines"])
    threads = [
        threading.Thread(target=lambda name=name: [screen.stream.write(f"{name}{number}\n") for number in range(200)])
        for name in "abc"
    ]
    for thread in threads:
        thread.start()
    for number in range(50):
        screen.paint(["", f"view {number}", *["more"] * (number % 4)])
    for thread in threads:
        thread.join()
    print("no end of line", end="", file=screen.stream)
    screen.close()
    print("afterwards", file=screen.stream)
    terminal = Terminal()
    terminal.write(sink.getvalue().replace("\n", "\r\n").replace("\r\r", "\r").encode())
    expected = [f"{name}{number}" for name in "abc" for number in range(200)]
    assert sorted(terminal.all[:-2]) == sorted(expected)
    assert [line for line in terminal.all if line[0] == "b"] == expected[200:400]
    assert terminal.all[-2:] == ["no end of line", "afterwards"]


def test_what_goes_past_the_view_is_kept_and_pushes_it_down() -> None:
    sink, terminal = io.StringIO(), Terminal(40, 6)

    def show(text: str) -> None:
        terminal.write((sink.getvalue() + text).replace("\r\n", "\n").replace("\n", "\r\n").encode())
        sink.seek(0)
        sink.truncate()

    screen = Screen(sink)
    for number in range(8):
        screen.paint(["", "a line of the view", f"number {number}"])
        show(f"a signal {number}\n")
    screen.paint(["", "last"])
    show("")
    assert terminal.all == [*(f"a signal {number}" for number in range(8)), "", "last"]
    screen.close()
    show("")
    assert terminal.all == [f"a signal {number}" for number in range(8)]


def test_a_view_that_is_closed_leaves_nothing_of_itself() -> None:
    sink = io.StringIO()
    view = LiveView(Console(file=sink, force_terminal=True, width=80, height=24))
    view(Progress(10, made=3, run="r"))
    terminal = Terminal()
    terminal.write(sink.getvalue().encode())
    assert any("3/10" in line for line in terminal.screen)
    view.close()
    terminal.write(sink.getvalue().encode())
    assert terminal.all == []


def test_failures_are_told_one_by_one_until_there_are_many() -> None:
    sink = io.StringIO()
    view = LiveView(Console(file=sink, force_terminal=True, width=80, height=24))
    for number in range(31):
        payload = {"asset": "days", "partition": str(number), "error": "Oops", "message": f"it is\nbad {number}"}
        view.records([Record(number, "", 1, "failed", 1, payload), Record(number, "", 1, "published", 1, {})])
        view(Progress(40, failed=number + 1, run="r", seconds=float(number)))
    terminal = Terminal()
    terminal.write(sink.getvalue().replace("\r\n", "\n").replace("\n", "\r\n").encode())
    failed = [line for line in terminal.all if line.startswith("failed: ")]
    assert failed == [f"failed: days@{number}: Oops: it is" for number in range(20)]
    assert "11 more failures" in terminal.screen


# Off a terminal


def test_off_a_terminal_there_are_plain_lines_and_nothing_is_loaded_for_a_view(project: Project) -> None:
    define(project)
    script = (
        "import sys\nfrom assets_core.cli import main\nsys.argv = ['assets', 'materialize']\n"
        "try:\n    main()\nfinally:\n    print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=project.root, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    run = project.records("run_started")[0]["run"]
    said = [line for line in done.stderr.splitlines() if not line.startswith("made ")]
    assert said[0] == f"run {run}: 122 cells to see to"
    assert re.fullmatch(rf"122 cells made, 0 fresh, 0 failed, 0 blocked in \d+\.\d s \(run {run}\)", said[-1])
    assert len(said) == 2 or all("/122 cells, " in line for line in said[1:-1])


# Events


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_events_are_the_records_of_the_run_how_far_it_is_and_the_result(project: Project) -> None:
    define(project, bad=["2024-01-13"])
    done = project.process("backfill", "*", "--partitions", "2024-01-01..2024-02-29", "--json-events")
    assert done.code == 1
    events = events_of(done.out)
    written = [event for event in events if event["event"] not in ("progress", "result")]
    assert written == [
        {"event": record["kind"], "seq": record["seq"], "time": record["at"], **record["payload"]}
        for record in project.journal
        if record["kind"] != "session"
    ]
    told = [event for event in events if event["event"] == "progress"]
    assert told[0].keys() == {
        *("event", "run", "planned", "made", "fresh", "failed", "blocked", "retrying", "waiting", "paused", "seconds")
    }
    assert all(later["made"] >= earlier["made"] for earlier, later in pairwise(told))
    assert all(later["seconds"] - earlier["seconds"] >= 1 for earlier, later in pairwise(told))
    assert events[-1].keys() == {"event", *RESULT}
    assert [events[-1][name] for name in ("event", "made", "failed", "blocked")] == ["result", 119, 1, 2]
    assert "made 2024-01-01" in done.err
    assert not [line for line in done.out.splitlines() if not line.startswith('{"event":"')]


def test_events_come_while_the_run_goes_on_and_the_result_at_any_rate(project: Project) -> None:
    define(project, held=GATED)
    process = project.start("materialize", "--json-events")
    assert process.stdout is not None
    seen: list[object] = []
    while "published" not in seen:
        seen.append(json.loads(process.stdout.readline())["event"])
    assert process.poll() is None
    open_gate(project)
    rest, _ = process.communicate()
    assert events_of(rest)[-1]["event"] == "result"
    assert process.returncode == 0
    assert events_of(project.must("materialize", "--json-events").out) == [  # now that there is nothing to do
        {"event": "result", "run": None, "fresh": 122}
        | dict.fromkeys(("made", "failed", "blocked", "withheld", "retried", "left", "seconds"), 0)
    ]


def test_a_run_goes_on_when_nobody_reads_its_events_any_more(project: Project) -> None:
    define(project, held=GATED)
    process = project.start("materialize", "--json-events")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    wait_until(lambda: len(project.records("published")) > 1, process)
    open_gate(project)
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert said.count("the events cannot be printed any more (Broken pipe); the run goes on\n") == 1
    assert len(project.made()) == 122


def test_events_and_one_value_cannot_both_be_asked_for(project: Project) -> None:
    define(project)
    refused = project.run("materialize", "--json", "--json-events")
    assert (refused.code, refused.out) == (2, "")
    assert "--json and --json-events both print on stdout" in refused.err
    assert project.journal == []


def test_events_on_a_terminal_are_not_disturbed_by_a_view(project: Project, started: list[OnTerminal]) -> None:
    define(project)
    run = OnTerminal(project.root, "materialize", "--json-events", columns=80, variables={})
    started.append(run)
    assert run.end() == 0
    assert b"\x1b" not in run.sent
    lines = [line for line in run.sent.decode().splitlines() if line.startswith("{")]
    assert json.loads(lines[-1])["event"] == "result"


def test_the_view_is_there_beside_events_that_go_elsewhere(
    project: Project, started: list[OnTerminal], tmp_path: Path
) -> None:
    define(project, held=GATED)
    with (tmp_path / "events").open("wb") as out:
        run = OnTerminal(project.root, "materialize", "--json-events", variables={}, stdout=out)
    started.append(run)
    run.until(lambda lines: any("▸ first@2024-02-29" in line for line in lines))
    open_gate(project)
    assert run.end() == 0
    assert events_of((tmp_path / "events").read_text())[-1]["event"] == "result"
