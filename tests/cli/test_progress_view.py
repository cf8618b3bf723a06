"""Does what is shown of a run fit its place, tell the truth, cost little, and never give a terminal orders?"""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from assets_core.cli.events import EventLines
from assets_core.cli.live import Frame, LiveView
from assets_core.cli.memory import used_bytes
from assets_core.cli.output import report, result_json, shown
from assets_core.cli.progress import Pace, PlainLines, duration, rate_text
from assets_core.model.keys import AssetKey, Cell, PartitionKey
from assets_core.model.run import AssetProgress, Failure, Progress, Running, RunResult
from catalog.records import Record


def progress_of(
    assets: dict[str, AssetProgress], *, seconds: float = 0.0, running: Sequence[Running] = (), **more: int
) -> Progress:
    """Return how far a run with such assets is."""
    counted = {
        name: sum(getattr(one, name) for one in assets.values())
        for name in ("planned", "made", "fresh", "failed", "blocked")
    }
    return Progress(
        **{**counted, **more},
        run="r",
        seconds=seconds,
        assets={AssetKey(key): one for key, one in assets.items()},
        running=lambda: running,
    )


def running(asset: str, partition: str | None = None, *, cells: int = 1, attempt: int = 1, seconds: float) -> Running:
    return Running(AssetKey(asset), None if partition is None else PartitionKey(partition), cells, attempt, seconds)


def shown_lines(frame: Frame, progress: Progress, columns: int, rows: int) -> list[str]:
    """Return the lines on a terminal of so many columns and rows."""
    return [line.plain.rstrip() for line in frame.lines(progress, columns - 1, rows - 1)]


def many(number: int) -> Progress:
    """Return how far a run over a chain of assets is, of which each waits for the one before."""
    assets = {
        f"layer_{place:03}/table": AssetProgress(100, made=max(0, min(100, 340 - 20 * place)))
        for place in range(number)
    }
    at_work = [
        running(f"layer_{place:03}/table", f"2024-{place:02}", cells=place, attempt=place - 11, seconds=10 * place)
        for place in range(12, 19)
    ]
    return progress_of(assets, seconds=65.0, running=at_work, retrying=3, waiting=2)


def test_a_run_of_many_assets_on_80_by_24() -> None:
    lines = shown_lines(Frame(), many(300), 80, 24)
    assert len(lines) == 23
    assert lines[0] == ""
    assert [line.split()[0] for line in lines[1:14]] == [f"layer_{place:03}/table" for place in range(13, 26)]
    assert lines[1] == "layer_013/table  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━────────        80/100  80 made"
    assert lines[14:] == [
        "and 287 more assets: 13 done, 274 to come",
        "all cells        ━───────────────────────────────────  1,500/30,000  1,500 made",
        "23/s, 20 min 35 s left, 1 min 05 s so far, 7 steps at work",
        "3 to be tried again, 2 waiting for another run or for a slot",
        "▸ layer_018/table@2024-18 and 17 cells more, attempt 7, 3 min 00 s",
        "▸ layer_017/table@2024-17 and 16 cells more, attempt 6, 2 min 50 s",
        "▸ layer_016/table@2024-16 and 15 cells more, attempt 5, 2 min 40 s",
        "▸ layer_015/table@2024-15 and 14 cells more, attempt 4, 2 min 30 s",
        "▸ layer_014/table@2024-14 and 13 cells more, attempt 3, 2 min 20 s",
    ]


def test_a_run_of_few_assets_on_200_by_50_shows_all_of_them_in_the_order_of_the_plan() -> None:
    frame = Frame()
    frame.memory_bytes = 3 * 2**30
    assets = {
        "raw/days": AssetProgress(366, made=300, fresh=60, failed=6),
        "months": AssetProgress(12, made=1, blocked=4),
        "finance/year": AssetProgress(1),
    }
    at_work = [running("months", "2024-05", seconds=1.4), running("months", "2024-06", seconds=61.0)]
    lines = shown_lines(frame, progress_of(assets, seconds=100.0, running=at_work), 200, 50)
    assert lines == [
        "",
        f"raw/days      {'━' * 40}  366/366  6 failed, 300 made, 60 fresh",
        f"months        {'━' * 16}{'─' * 24}     5/12  4 blocked, 1 made",
        f"finance/year  {'─' * 40}      0/1",
        f"all cells     {'━' * 39}─  371/379  6 failed, 4 blocked, 301 made, 60 fresh",
        "3.7/s, 2 s left, 1 min 40 s so far, 2 steps at work, 3,072 MiB",
        "▸ months@2024-06, 1 min 01 s",
        "▸ months@2024-05, 1 s",
    ]


def test_an_asset_at_work_is_shown_however_far_behind_it_stands_and_what_is_done_goes_first() -> None:
    progress = many(300)
    last = AssetKey("layer_299/table")
    progress.running = lambda: [running(last, seconds=1)]
    frame = Frame()
    lines = shown_lines(frame, progress, 80, 10)
    assert any(line.startswith("layer_299/table") for line in lines)
    for one in progress.assets.values():
        one.made = one.planned
    progress.assets[last].made -= 1
    lines = shown_lines(frame, progress, 80, 10)
    assert lines[3].startswith("layer_299/table")
    assert lines[4] == "and 297 more assets: 297 done"


def test_the_only_asset_of_a_run_is_named() -> None:
    (_, line, *_) = shown_lines(Frame(), progress_of({"only": AssetProgress(4, made=2)}), 80, 24)
    assert line == f"only  {'━' * 20}{'─' * 20}  2/4  2 made"


HOSTILE = st.text(st.sampled_from("a[]/\\\x1b\x07\n\r\t\x00\x9b\u202e\u2066\u0301\ufe0fテ🫖\ud800é ")) | st.text()


@given(
    keys=st.lists(HOSTILE, min_size=1, max_size=8, unique=True),
    partition=st.none() | HOSTILE,
    columns=st.integers(2, 220),
    rows=st.integers(2, 60),
    is_ascii=st.booleans(),
    numbers=st.lists(st.integers(0, 10**7), min_size=4, max_size=4),
)
def test_whatever_names_there_are_every_line_fits_and_can_be_shown(
    keys: list[str], partition: str | None, columns: int, rows: int, is_ascii: bool, numbers: list[int]
) -> None:
    made, fresh, failed, blocked = numbers
    assets = {key: AssetProgress(sum(numbers) + 1, made, fresh, failed, blocked) for key in keys}
    at_work = [running(key, partition, cells=made + 1, attempt=2, seconds=failed) for key in keys]
    frame = Frame(is_ascii=is_ascii)
    frame.failures = failed
    lines = frame.lines(progress_of(assets, seconds=blocked, running=at_work, retrying=fresh), columns - 1, rows - 1)
    assert len(lines) <= max(1, rows - 1)
    for line in lines:
        assert line.plain.isprintable()
        assert cell_len(line.plain) < columns
        assert len(line.plain) <= 8 * columns + 200  # nor does it grow by letters that take no room
        assert line.plain.isascii() or not is_ascii


@given(HOSTILE)
def test_what_is_shown_has_no_orders_and_loses_nothing(text: str) -> None:
    told = shown(text)
    assert told.isprintable()
    assert told == text or any(not letter.isprintable() for letter in text)
    assert shown(text, is_ascii=True).isascii()
    assert told.count("\\") >= text.count("\\")


def test_a_name_that_is_too_long_keeps_its_beginning_and_its_end() -> None:
    assert Frame().clipped("finance/" + "x" * 300 + "/revenue", 21) == "finance/xx…xx/revenue"


# Pace


def paced(*points: tuple[float, int], planned: int = 1_000, blocked: int = 0) -> Pace:
    pace = Pace()
    for seconds, made in points:
        pace.note(Progress(planned, made=made, blocked=blocked, seconds=seconds))
    return pace


def test_nothing_is_said_of_a_rate_until_something_is_known() -> None:
    assert paced((0.5, 3)).cells_per_second is None
    assert paced((30.0, 0)).cells_per_second is None
    assert paced((30.0, 0), blocked=500).cells_per_second is None
    assert paced((2.0, 3)).cells_per_second == 1.5


def test_the_rate_is_that_of_the_last_seconds() -> None:
    slow = [(float(second), second) for second in range(1, 101)]
    quick = [(100.0 + second, 100 + 50 * second) for second in range(1, 21)]
    assert paced(*slow, *quick).cells_per_second == pytest.approx(50)


def test_the_rate_of_slow_cells_is_that_of_the_last_ten() -> None:
    hourly = [(3_600.0 * hour, hour) for hour in range(1, 50)]
    assert paced((10.0, 20), *((second, made + 20) for second, made in hourly)).cells_per_second == pytest.approx(
        1 / 3_600, rel=0.15
    )


def test_a_rate_falls_when_nothing_is_done_any_more() -> None:
    pace = paced(*((float(second), 10 * second) for second in range(1, 21)))
    rates = []
    for second in (20, 40, 80, 160):
        pace.note(Progress(1_000, made=200, seconds=float(second)))
        rates.append(pace.cells_per_second or 0.0)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 2


@given(st.lists(st.tuples(st.floats(0, 50), st.integers(0, 500)), max_size=60))
def test_a_rate_is_never_negative_and_what_it_remembers_is_little(steps: list[tuple[float, int]]) -> None:
    seconds = made = 0.0
    pace = Pace()
    for more_seconds, more_made in steps:
        seconds, made = seconds + more_seconds, made + more_made
        pace.note(Progress(10**6, made=int(made), seconds=seconds))
        assert pace.cells_per_second is None or pace.cells_per_second > 0
        assert len(pace._past) < 32


def test_a_paused_run_has_no_time_left_to_tell() -> None:
    pace = paced((10.0, 100))
    assert pace.text(Progress(1_000, made=100, seconds=10.0)) == "10/s, 1 min 30 s left"
    assert pace.text(Progress(1_000, made=100, seconds=10.0, paused=True)) == "10/s"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        *((0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3_599, "59 min 59 s")),
        *((3_600, "1 h 00 min"), (86_399, "23 h 59 min"), (90_000, "1 d 1 h"), (10**9, "11,574 d 1 h")),
    ],
)
def test_times_are_told_in_their_two_largest_units(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("rate", "told"),
    [(12_345.6, "12,346/s"), (9.96, "10/s"), (1.0, "1.0/s"), (0.5, "30/min"), (0.016, "1.0/min"), (1e-4, "0.4/h")],
)
def test_rates_are_told_in_the_unit_in_which_they_are_about_one(rate: float, told: str) -> None:
    assert rate_text(rate) == told


# Cost


def test_the_view_costs_little_when_it_has_nothing_to_do_and_with_ten_thousand_assets() -> None:
    view = LiveView(Console(file=io.StringIO(), force_terminal=True, width=200, height=50))
    progress = many(10_000)
    view(progress)
    calls = 20_000
    started = time.perf_counter()
    for _ in range(calls):
        view(progress)
    assert (time.perf_counter() - started) / calls < 5e-6
    frame = Frame()
    started = time.perf_counter()
    for _ in range(10):
        frame.lines(progress, 199, 49)
    assert (time.perf_counter() - started) / 10 < 0.05


def test_drawing_takes_a_small_share_of_the_time_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.StringIO()
    view = LiveView(Console(file=sink, force_terminal=True, width=80, height=24))
    clock = itertools.count(0.0, 0.5)  # each look at it is half a second later
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    drawn = 0
    for tenth in range(1_000):
        before = sink.tell()
        view(Progress(10, made=1, seconds=tenth / 10))
        drawn += sink.tell() > before
    assert 1 < drawn <= 5


def test_memory_is_that_of_this_process_at_least() -> None:
    grown = bytearray(b"x" * 50_000_000)
    assert used_bytes() > len(grown)


# Off a terminal


def test_plain_lines_are_few_and_only_while_something_changes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = PlainLines()
    progress = Progress(100, run="r")
    for second in range(60):
        progress.seconds = second + 0.01
        progress.made = min(60, 2 * second)
        progress.paused = second >= 52
        lines(progress)
    assert capsys.readouterr().err.splitlines() == [
        "run r: 100 cells to see to",
        "10/100 cells, 10 made, 2.0/s, 45 s left",
        "20/100 cells, 20 made, 2.0/s, 40 s left",
        "30/100 cells, 30 made, 2.0/s, 35 s left",
        "40/100 cells, 40 made, 2.0/s, 30 s left",
        "50/100 cells, 50 made, 2.0/s, 25 s left",
        "60/100 cells, 60 made, 2.0/s, 20 s left",
        "60/100 cells, 60 made, 19/min, paused",
    ]


def test_events_of_progress_come_once_a_second_and_only_with_news() -> None:
    out = io.StringIO()
    events = EventLines(out)
    progress = Progress(100, run="r")
    for tenth in range(60):
        progress.seconds = tenth / 10
        progress.made = min(30, tenth)
        events.progress(progress)
    assert [line.partition(',"fresh"')[0] for line in out.getvalue().splitlines()] == [
        f'{{"event":"progress","run":"r","planned":100,"made":{made}' for made in (0, 10, 20, 30)
    ]


def test_an_event_is_one_line_for_every_reader() -> None:
    out = io.StringIO()
    record = Record(7, "2024-01-01T00:00:00.000000Z", 1, "failed", 1, {"message": "a\nb\u2028c\x85d\x1b[31m 🫖 \ud800"})
    EventLines(out).records([record])
    assert out.getvalue().isascii()
    assert len(out.getvalue().splitlines()) == 1


# The report


def failure(partition: str, message: str, traceback: str = "") -> Failure:
    return Failure(Cell(AssetKey("days"), PartitionKey(partition)), "ValueError", message, traceback)


def test_the_report_begins_with_the_traceback_and_bounds_it(capsys: pytest.CaptureFixture[str]) -> None:
    traceback = "\n".join(f"  line {number}\x1b[2J" for number in range(1_000)) + "\n" + "x" * 100_000
    result = RunResult("r", failed=2, failures=[failure("b", "no", traceback), failure("a\n\x1b", "no", traceback)])
    assert report(result, as_json=False) == 1
    said = capsys.readouterr().err
    assert said.startswith("failed: days@a\\n\\x1b and 1 cell more of it: no\n    line 0\\x1b[2J\n")
    assert "... 961 lines are left out; `assets explain CELL` shows them ..." in said
    assert "line 999" in said
    assert len(said) < 10_000
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("result", "remark", "code"),
    [
        (RunResult("r", made=3, retried=1), "retried: 1 attempt failed and were followed by another", 0),
        (
            RunResult("r", failed=1, withheld=2),
            "nothing was published: 2 cells that could be made are withheld, as --atomic asks",
            1,
        ),
        (
            RunResult("r", made=3, left=4, interrupted=True),
            "interrupted: what was made is published; run the same command again to go on",
            130,
        ),
        (
            RunResult("r", made=3, left=1, interrupted=True, cancelled=True),
            "cancelled: what was made is published; run the same command again to go on",
            130,
        ),
        (
            RunResult("r", failed=1, left=9),
            "stopped at the first failure: run the same command again to go on",
            1,
        ),
    ],
)
def test_the_report_says_what_the_numbers_do_not(
    result: RunResult, remark: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(result, as_json=False) == code
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == remark
    assert (f"left: {result.left} cell{'s' if result.left != 1 else ''} not come to" in said) is (result.left > 0)


def test_as_json_the_numbers_are_on_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    result = RunResult("r", made=3, retried=2, seconds=1.23456)
    report(result, as_json=True)
    out, err = capsys.readouterr()
    assert '"retried": 2' in out
    assert "made" not in err
    assert result_json(result)["seconds"] == 1.235
