"""Does `assets logs` show what steps said, of any run, while it goes on and afterwards, and nothing that is secret?"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from command import COMMAND, LONGEST_SECONDS, Project, ended, kill, wait_until

ASSETS = """
    import logging
    import os
    import sys
    import time
    import warnings
    from pathlib import Path

    import polars as pl
    from assets_core import Partition, StaticPartitions, asset, check, check_result

    HELD = Path(r"{root}/held")

    @asset(partitions=StaticPartitions(["a", "b"]))
    def one(partition: Partition) -> pl.DataFrame:
        print("made for", partition.key)
        print("a danger", file=sys.stderr)
        logging.getLogger("mine").info("rows: %d", 3)
        sys.stdout.flush()
        while HELD.exists():
            time.sleep(0.005)
        if partition.key == "b":
            raise ValueError("there is no b")
        return pl.DataFrame({{"n": [1]}})

    @asset()
    def hostile() -> pl.DataFrame:
        print("\\x1b[31mred\\x1b]0;title\\x07\\x00\\u202e")
        warnings.warn("a warning", stacklevel=1)
        return pl.DataFrame({{"n": [1]}})

    @asset()
    def silent() -> pl.DataFrame:
        return pl.DataFrame({{"n": [1]}})

    @asset()
    def telling() -> pl.DataFrame:
        secret = os.environ["WAREHOUSE_PASSWORD"]
        print(secret, [secret])
        logging.getLogger("mine").error("with %s", secret)
        sys.stderr.write(secret[:4])
        sys.stderr.write(secret[4:])
        raise RuntimeError("cannot connect with " + "-" * 7980 + secret) from KeyError(secret)

    @asset()
    def judged() -> pl.DataFrame:
        return pl.DataFrame({{"n": [1]}})

    @check(judged)
    def says_it(data: pl.DataFrame):
        return check_result(False, "not as " + os.environ["WAREHOUSE_PASSWORD"], found=os.environ["WAREHOUSE_PASSWORD"])
"""


@pytest.fixture
def saying(project: Project) -> Project:
    project.define(ASSETS.format(root=project.root))
    return project


def shown(project: Project, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in project.must("logs", *arguments, "--json").out.splitlines()]


def texts(project: Project, *arguments: str) -> list[str]:
    return [line["text"] for line in shown(project, *arguments)]


def last_run(project: Project) -> str:
    run: str = project.records("run_started")[-1]["run"]
    return run


def test_what_steps_say_is_in_the_logs_and_not_on_the_terminal(saying: Project) -> None:
    made = saying.process("materialize", "(one and partition:a) or hostile")
    assert made.code == 0
    assert "made for" not in made.out + made.err
    assert "a danger" not in made.out + made.err
    assert [(line["stream"], line["level"], line["text"]) for line in shown(saying, "latest", "one@a")] == [
        ("stdout", "info", "made for a"),
        ("stderr", "warning", "a danger"),
        ("logging", "info", "mine: rows: 3"),
    ]
    assert any("UserWarning: a warning" in text for text in texts(saying, "latest", "hostile"))
    header, first, *_ = saying.must("logs", last_run(saying)[:6], "one").out.splitlines()
    assert header.split("\t") == ["time", "level", "stream", "cell", "attempt", "text"]
    assert first.split("\t")[1:] == ["info", "stdout", "one@a", "1", "made for a"]


def test_what_steps_in_processes_say_is_in_the_logs_of_their_run(saying: Project) -> None:
    made = saying.process("materialize", "one", "--executor", "processes")
    assert made.code == 1
    assert "made for" not in made.out + made.err
    assert texts(saying, "latest", "one@a") == ["made for a", "a danger", "mine: rows: 3"]
    assert texts(saying, "latest", "one@b")[-1].endswith("ValueError: there is no b")
    times = [line["time"] for line in shown(saying)]
    assert times == sorted(times)


def test_lines_are_picked_by_cell_level_text_attempt_time_and_number(saying: Project) -> None:
    assert saying.process("materialize", "one").code == 1
    assert texts(saying, "latest", "one@a", "--level", "warning") == ["a danger"]
    assert sorted(texts(saying, "--grep", "made for")) == ["made for a", "made for b"]
    assert texts(saying, "--grep", "one@") == []  # only what was said is looked through
    assert texts(saying, "--grep", "stdout") == []
    assert texts(saying, "--attempt", "2") == []
    assert len(texts(saying, "--attempt", "1")) == 7
    assert texts(saying, "--since", "1h") == texts(saying)
    assert texts(saying, "--since", shown(saying)[-1]["time"]) == texts(saying)[-1:]
    assert texts(saying, "--tail", "2") == texts(saying)[-2:]
    assert texts(saying, "--tail", "0") == []
    times = [line["time"] for line in shown(saying)]
    assert times == sorted(times)


def test_a_failure_says_where_to_look_and_ours_is_hidden_unless_asked_for(saying: Project) -> None:
    err = saying.run("materialize", "one").err
    assert f"assets logs {last_run(saying)[:8]} one@b\n" in err
    assert "steps/step.py" not in err
    short = saying.must("logs", last_run(saying)[:8], "one@b", "--level", "error").out
    assert "there is no b" in short
    assert "definitions/assets.py" in short
    assert "steps/step.py" not in short
    full = saying.must("logs", last_run(saying)[:8], "one@b", "--level", "error", "--full-traceback").out
    assert "steps/step.py" in full
    assert "there is no b" in full


def test_a_run_that_said_nothing_says_so(saying: Project) -> None:
    saying.must("materialize", "silent")
    found = saying.must("logs")
    assert (found.out, found.err) == ("", f"run {last_run(saying)[:8]}: its steps have said nothing\n")
    assert not (saying.root / ".assets/logs" / last_run(saying)).exists()
    assert saying.must("logs", "latest", "one@a").err == f"run {last_run(saying)[:8]}: no such line\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "there is no run 'nowhere'"),
        (["latest", "onn"], "did you mean 'one'?"),
        (["latest", "one@c"], "'c' is not a key"),
        (["latest", "silent@a"], "silent has no partitions"),
        (["--level", "warnin"], "did you mean 'warning'?"),
        (["--since", "yesterday"], "'yesterday' is not a time"),
    ],
)
def test_what_is_not_there_is_told_with_what_may_be_meant(saying: Project, words: list[str], told: str) -> None:
    saying.must("materialize", "silent")
    outcome = saying.run("logs", *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err


def test_logs_are_there_when_the_definitions_are_not_any_more(saying: Project) -> None:
    saying.must("materialize", "one", "--partitions", "a")
    saying.define("no python")
    assert texts(saying, "latest", "one@a", "--grep", "made") == ["made for a"]


def hold(project: Project) -> None:
    (project.root / "held").touch()


def release(project: Project) -> None:
    (project.root / "held").unlink()


def lines_there(project: Project) -> bool:
    return any(file.stat().st_size for file in (project.root / ".assets/logs").glob("*/*.jsonl"))


def test_who_follows_sees_lines_at_once_and_goes_when_the_run_is_over(saying: Project) -> None:
    hold(saying)
    run = saying.start("materialize", "one", "--partitions", "a")
    wait_until(lambda: lines_there(saying), run)
    follower = saying.start("logs", "-f", "--grep", "made")
    assert follower.stdout is not None
    assert follower.stdout.readline().startswith("time")
    assert follower.stdout.readline().endswith("made for a\n")
    assert run.poll() is None
    release(saying)
    assert ended(run).code == 0
    assert ended(follower).code == 0


def test_who_follows_can_be_interrupted(saying: Project) -> None:
    hold(saying)
    run = saying.start("materialize", "one", "--partitions", "a")
    wait_until(lambda: lines_there(saying), run)
    follower = saying.start("logs", "--follow")
    assert follower.stdout is not None
    follower.stdout.readline()
    follower.send_signal(signal.SIGINT)
    assert ended(follower).code == 130
    release(saying)
    assert ended(run).code == 0


def test_what_was_said_before_a_kill_is_there_and_half_a_line_is_none(saying: Project) -> None:
    hold(saying)
    run = saying.start("materialize", "one", "--partitions", "a")
    wait_until(lambda: lines_there(saying), run)
    kill(run)
    assert texts(saying, "--grep", "made") == ["made for a"]
    (file,) = (saying.root / ".assets/logs").glob("*/*.jsonl")
    whole = texts(saying)
    with file.open("ab") as opened:
        opened.write(file.read_bytes().splitlines()[0][:-10])
    assert texts(saying) == whole
    assert texts(saying, "-f") == whole


def test_hostile_text_is_shown_and_not_obeyed_on_a_terminal(saying: Project) -> None:
    assert saying.process("materialize", "hostile").code == 0
    ours, theirs = pty.openpty()
    words = [COMMAND, "logs", "latest", "hostile", "--level", "info", "--grep", "red"]
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    done = subprocess.run(words, cwd=saying.root, stdout=theirs, timeout=LONGEST_SECONDS, check=True, env=environment)
    assert done.returncode == 0
    os.close(theirs)
    told = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "\\x1b[31mred\\x1b]0;title\\x07\\x00\\u202e" in told
    assert "\x1b]0;" not in told
    assert "\x1b[36mhostile" in told


def test_a_secret_is_nowhere(saying: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "canary-4711-Ä"  # noqa: S105  # that of the test
    monkeypatch.setenv("WAREHOUSE_PASSWORD", secret)
    outcomes = [saying.run("materialize", "telling or judged"), saying.process("materialize", "telling")]
    outcomes += [
        saying.run("logs", "latest", *more) for more in ([], ["--full-traceback"], ["--json"], ["telling", "-f"])
    ]
    outcomes += [saying.run("explain", "telling"), saying.run("explain", "judged", "--json"), saying.run("runs")]
    outcomes += [saying.run("lineage", "events"), saying.run("status", secret), saying.process("status", secret)]
    assert "***" in outcomes[0].err
    assert "***" in outcomes[2].out
    forms = [secret[begin : begin + 8].encode() for begin in range(len(secret) - 7)]
    for outcome in outcomes:
        assert [form for form in forms if form in (outcome.out + outcome.err).encode()] == []
    for file in (saying.root / ".assets").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert [form for form in forms if form in content] == [], file


def test_old_logs_go_with_gc_and_those_of_a_run_at_work_stay(saying: Project) -> None:
    saying.must("materialize", "one", "--partitions", "a")
    hold(saying)
    run = saying.start("materialize", "one", "--partitions", "a", "--force")
    folder = saying.root / ".assets/logs"
    wait_until(lambda: len(list(folder.glob("*/*.jsonl"))) == 2, run)
    then = time.time() - 40 * 86_400
    for path in folder.rglob("*"):
        os.utime(path, (then, then))
    assert saying.must("gc", "--log-days", "50", "--json").value["files"] == []
    (told,) = saying.must("gc", "--json").value["files"]
    at_work = last_run(saying)
    assert Path(told["path"]).parent == Path("logs")
    assert Path(told["path"]).name != at_work
    assert told["bytes"] > 0
    saying.must("gc", "--delete")
    assert [path.name for path in folder.iterdir()] == [at_work]
    release(saying)
    assert ended(run).code == 0
    saying.write("assets.toml", '[project]\nname = "small"\n[retention]\nlog_days = 20\n')
    for path in folder.rglob("*"):
        os.utime(path, (then, then))
    assert len(saying.must("gc", "--delete", "--json").value["files"]) == 1
    assert list(folder.iterdir()) == []
