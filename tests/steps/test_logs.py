"""Is what an attempt says kept as said by it, whole, bounded, without secrets, and whatever it is?"""

# ruff: noqa: T201  # steps print

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_core.execution.conduct import parquet_store
from assets_core.executors.processes import Processes
from assets_core.executors.workplace import setup_of
from assets_core.keeping.logs import Wanted, lines
from assets_core.model.keys import AssetKey, PartitionKey, cell
from assets_core.model.partitions import Partition
from assets_core.project import Project, find_project
from assets_core.steps.capture import capturing
from assets_core.steps.logs import CHARACTERS, LAST_LINES, LINE_CHARACTERS, LINES, Attempt, Logbook, note_failure
from assets_core.steps.secrets import masked, masked_values
from assets_core.steps.work import StepOutcome, Work

SECRET = "hunter2-Ünder|cover"  # noqa: S105  # not one


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("WAREHOUSE_PASSWORD", SECRET)
    return SECRET


def attempt(book: Logbook, asset: str = "one", *keys: str, step: int = 1, number: int = 1) -> Attempt:
    partitions: list[Partition | None] = [Partition(PartitionKey(key), None, None) for key in keys]
    return Attempt(book, AssetKey(asset), partitions or [None], step, number)


@contextmanager
def step(tmp_path: Path, *keys: str, number: int = 1) -> Iterator[Logbook]:
    """Listen to the one step that is the block."""
    with capturing(tmp_path / "run") as book, attempt(book, "one", *keys, number=number):
        yield book


def said(tmp_path: Path, **wanted: Any) -> list[dict[str, Any]]:
    return list(lines(tmp_path / "run", Wanted(**wanted)))


def texts(tmp_path: Path, **wanted: Any) -> list[str]:
    return [line["text"] for line in said(tmp_path, **wanted)]


def test_each_way_of_saying_something_is_kept_with_its_stream_and_level(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with step(tmp_path, "a", number=2):
        print("to stdout")
        print("to stderr", file=sys.stderr)
        logging.getLogger("mine").info("to %s", "logging")
        logging.getLogger("mine").debug("not asked for")
        logging.getLogger("mine").critical("badly")
        sys.stdout.buffer.write(b"bytes\n")
    found = said(tmp_path)
    assert [(line["stream"], line["level"], line["text"]) for line in found] == [
        ("stdout", "info", "to stdout"),
        ("stderr", "warning", "to stderr"),
        ("logging", "info", "mine: to logging"),
        ("logging", "critical", "mine: badly"),
        ("stdout", "info", "bytes"),
    ]
    assert {(line["asset"], line["partition"], line["step"], line["attempt"]) for line in found} == {("one", "a", 1, 2)}
    assert [line["time"] for line in found] == sorted({line["time"] for line in found})


def test_a_step_that_says_nothing_makes_no_file(tmp_path: Path) -> None:
    with step(tmp_path):
        pass
    assert not (tmp_path / "run").exists()


def test_what_nobody_s_step_says_goes_where_it_always_went(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = sys.stdout, sys.stderr
    with capturing(tmp_path / "run") as book:
        print("mine")
        logging.getLogger("mine").warning("logged")
        with attempt(book):
            print("the step's")
            thread = threading.Thread(target=print, args=("of a thread that it starts",))
            thread.start()
            thread.join()
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == "mine\nof a thread that it starts\n"
    assert "logged" in caplog.messages
    assert texts(tmp_path) == ["the step's"]


def test_logging_is_as_it_was_when_the_last_run_is_over(tmp_path: Path) -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    with capturing(tmp_path / "run"):
        with capturing(tmp_path / "other"):
            assert len(root.handlers) == len(before) + 1
        assert len(root.handlers) == len(before) + 1
    assert (root.handlers, root.level) == (before, level)


def test_a_warning_outside_of_steps_is_printed_where_nobody_has_set_logging_up(tmp_path: Path) -> None:
    code = (
        "import logging, pathlib, sys\nfrom assets_core.steps.capture import capturing\n"
        "with capturing(pathlib.Path(sys.argv[1])):\n"
        "    logging.getLogger('mine').warning('heard')\n    logging.getLogger('mine').info('not heard')\n"
        "logging.getLogger('mine').info('nor this')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stderr == "heard\n"


def test_what_a_step_awaits_speaks_for_it(tmp_path: Path) -> None:
    async def speak(word: str) -> None:
        await asyncio.to_thread(print, word)

    async def all_of_them() -> None:
        await asyncio.gather(*(speak(word) for word in "abc"))

    with step(tmp_path):
        asyncio.run(all_of_them())
    assert sorted(texts(tmp_path)) == ["a", "b", "c"]


def test_lines_of_many_steps_at_once_stay_whole_and_theirs(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def speak(book: Logbook, number: int) -> None:
        with attempt(book, "one", str(number), step=number):
            together.wait()
            for line in range(300):
                sys.stdout.write(f"{number} ")
                print("says", line)

    with capturing(tmp_path / "run") as book:
        threads = [threading.Thread(target=speak, args=(book, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in range(8):
        assert texts(tmp_path, cell=cell(f"one@{number}")) == [f"{number} says {line}" for line in range(300)]
    times = [line["time"] for line in said(tmp_path)]
    assert len(times) == 2400
    assert times == sorted(times)


@given(st.lists(st.text(), max_size=5), st.data())
def test_any_text_in_any_pieces_comes_back_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("any")
    whole = "\n".join(part.replace("\r", "") for part in parts)
    book = Logbook(folder / "run")
    with attempt(book) as speaker:
        rest = whole
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            speaker.write("stdout", rest[:size])
            rest = rest[size:]
    book.close()
    expected = whole.split("\n")
    assert texts(folder) == (expected if expected[-1] else expected[:-1])


def test_hostile_bytes_are_kept_as_what_they_are(tmp_path: Path) -> None:
    with step(tmp_path):
        sys.stdout.buffer.write(b"\xff\xfe\x00 \x1b[31mred\n")
        sys.stdout.buffer.write("é".encode()[:1])
        sys.stdout.buffer.write("é".encode()[1:] + b" cut \xc3")
        print("half of a pair \ud800", file=sys.stderr)
    assert sorted(texts(tmp_path)) == sorted(["\\xff\\xfe\x00 \x1b[31mred", "é cut \\xc3", "half of a pair \ud800"])


def test_of_a_progress_bar_the_last_state_is_kept(tmp_path: Path) -> None:
    with step(tmp_path):
        for percent in range(0, 101, 10):
            sys.stderr.write(f"\r{percent}%")
        sys.stderr.write("\nwindows\r\n10%\r20%\r")
    assert texts(tmp_path) == ["100%", "windows", "20%"]


def test_what_is_too_much_is_left_out_in_the_middle(tmp_path: Path) -> None:
    with capturing(tmp_path / "run") as book:
        with attempt(book, "one", "loud"):
            for number in range(LINES + 1000):
                print(number)
        with attempt(book, "one", "quiet", step=2):
            print("me, too")
    found = texts(tmp_path, cell=cell("one@loud"))
    assert found[:LINES] == [str(number) for number in range(LINES)]
    assert found[LINES].startswith(f"{1000 - LAST_LINES} lines are left out here")
    assert found[LINES + 1 :] == [str(number) for number in range(LINES + 1000 - LAST_LINES, LINES + 1000)]
    assert texts(tmp_path, cell=cell("one@quiet")) == ["me, too"]
    assert texts(tmp_path)[-1] == "me, too"


def test_long_lines_are_cut_and_few_of_them_are_kept(tmp_path: Path) -> None:
    with step(tmp_path):
        sys.stdout.write("x" * 5_000_000)
        sys.stdout.write("y\n")
        for _ in range(2000):
            print("z" * 2 * LINE_CHARACTERS)
    found = texts(tmp_path)
    assert found[0].startswith("x" * LINE_CHARACTERS + " ... (49")
    assert sum(map(len, found)) < CHARACTERS + (LAST_LINES + 1) * (LINE_CHARACTERS + 100)


def test_secrets_are_masked_however_they_are_spelt_and_before_lines_are_cut(tmp_path: Path, secret: str) -> None:
    with step(tmp_path):
        sys.stdout.write(secret[:5])
        print(secret[5:], repr({"nested": [secret]}), json.dumps(secret))
        for before in range(LINE_CHARACTERS - len(secret), LINE_CHARACTERS + 1):
            print("-" * before + secret + "-" * 50_000)
        print("-" * (2 * LINE_CHARACTERS - 5) + secret)
        print((secret + " ") * 10_000)
        logging.getLogger("mine").error("with %s", secret)
        try:
            raise ValueError(secret)
        except ValueError as error:
            note_failure(error, masked(f"ValueError: {error}"))
    written = b"".join(file.read_bytes() for file in (tmp_path / "run").rglob("*.jsonl")).decode()
    assert "***" in written
    for begin in range(len(secret) - 5):
        assert secret[begin : begin + 6] not in written


@pytest.mark.parametrize(
    ("name", "value", "text", "shown"),
    [
        ("API_KEY", "abcdef", "-abcdef-", "-***-"),
        ("GITHUB_TOKEN", "to ken", "to%20ken", "***"),
        ("DATABASE_URL", "postgres://user:pass%20word@host/db", "pass word at host", "*** at host"),
        ("PRIVATE_PEM", "--- BEGIN ---\nMIIEvQIBADANBg\n", "MIIEvQIBADANBg", "***"),
        ("MONKEY", "abcdef", "-abcdef-", "-abcdef-"),
        ("KEYBOARD", "abcdef", "-abcdef-", "-abcdef-"),
        ("DB_PASSWORD", "short", "short", "short"),
    ],
)
def test_what_is_secret_is_told_by_the_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, text: str, shown: str
) -> None:
    monkeypatch.setenv(name, value)
    assert masked(text) == shown
    assert masked_values({text: [text, 1, None]}) == {shown: [shown, 1, None]}


def test_a_failure_keeps_the_whole_traceback_once(tmp_path: Path) -> None:
    with step(tmp_path, "a", "b"):
        try:
            raise ValueError("no")
        except ValueError as error:
            note_failure(error, "shown")
            note_failure(error, "shown")
    (line,) = said(tmp_path)
    assert (line["stream"], line["level"], line["text"]) == ("traceback", "error", "shown")
    assert line["full"].startswith("Traceback (most recent call last)")
    assert "test_logs.py" in line["full"]
    assert texts(tmp_path, cell=cell("one@b")) == ["shown"]
    assert texts(tmp_path, cell=cell("one@c")) == []


def test_a_disk_that_is_full_fails_no_step_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write, room = os.write, [100, 0, 0, 10_000]

    def write_some(descriptor: int, content: bytes) -> int:
        left = room.pop(0) if len(room) > 1 else room[0]
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content[:left])

    monkeypatch.setattr("assets_core.steps.logs.os.write", write_some)
    with capturing(tmp_path / "run") as book:
        for number in range(4):
            with attempt(book, step=number):
                print("said by", number)
    assert texts(tmp_path) == ["said by 2", "said by 3"]
    assert capsys.readouterr().err == (
        f"logs: 2 lines of what steps said could not be kept: {tmp_path / 'run'}: No space left on device\n"
    )


def test_what_is_said_is_written_while_the_step_goes_on(tmp_path: Path) -> None:
    with step(tmp_path):
        print("already there")
        flusher = next(thread for thread in threading.enumerate() if thread.name == "assets-logs")
        while flusher.is_alive() and not texts(tmp_path):
            os.sched_yield()
        assert texts(tmp_path) == ["already there"]


def test_a_child_that_is_forked_writes_nothing_of_its_parent_s(tmp_path: Path) -> None:
    with step(tmp_path) as book:
        print("said once")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            os._exit(0 if book.is_here is False else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert texts(tmp_path) == ["said once"]


DEFINITIONS = """
import ctypes, os, subprocess, sys, threading
import polars as pl
from assets_core import asset

@asset()
def speaking() -> pl.DataFrame:
    print("python")
    ctypes.CDLL(None).puts(b"a library in C")
    subprocess.run(["sh", "-c", "echo a child; echo its error >&2"], check=True)
    thread = threading.Thread(target=print, args=("a thread",))
    thread.start()
    thread.join()
    return pl.DataFrame({"n": [1]})

@asset()
def dying() -> pl.DataFrame:
    print("last words")
    sys.stdout.flush()
    os.write(2, b"of a crash")
    while not os.path.exists("/proc/self/gone"):
        os.kill(os.getpid(), 9)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "assets.toml").write_text('[project]\nname = "said"\n')
    (tmp_path / "definitions" / "assets.py").write_text(DEFINITIONS)
    return find_project(tmp_path)


def test_in_a_process_all_that_it_writes_is_kept_also_what_it_writes_when_it_dies(project: Project) -> None:
    outcomes: SimpleQueue[StepOutcome | BaseException] = SimpleQueue()
    executor = Processes(setup_of(project, "run", parquet_store(project, "run")), 1, outcomes.put)
    try:
        for step, asset in enumerate(("speaking", "dying")):
            executor.submit(Work(step, project.graph.assets[AssetKey(asset)], (0,), (None,)))
        for _ in range(2):
            assert isinstance(outcomes.get(timeout=60), StepOutcome)
    finally:
        executor.close()
    folder = project.state / "logs" / "run"
    found = list(lines(folder, Wanted(cell("speaking"))))
    assert {(line["stream"], line["text"]) for line in found} == {
        ("stdout", "python"),
        ("output", "a library in C"),
        ("output", "a child"),
        ("output", "its error"),
        ("output", "a thread"),
    }
    assert {"of a crash", "last words"} <= {line["text"] for line in lines(folder, Wanted(cell("dying")))}
