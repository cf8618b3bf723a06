"""What is true of worker processes alone: how they start, what they hand each other, with whom they end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest
from executor_contract import ACTS, KINDS, LONGEST_SECONDS, Bench, Pipes, bench, is_alive, write_project

from assets_core.errors import AssetsError
from assets_core.executors.executor import WORKER_DIED
from assets_core.executors.memory_use import held_bytes
from assets_core.executors.processes import Processes
from assets_core.model.handling import Handling
from assets_core.steps.work import StepOutcome

PROCESSES = next(kind for kind in KINDS if kind.name == "processes")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("processes") / "project")


@pytest.fixture(scope="module")
def processes(root: Path) -> Iterator[Bench]:
    with bench(PROCESSES, root, memory_bytes=1 << 28) as opened:
        yield opened


def one_column(opened: Bench, outcome: StepOutcome, name: str) -> list[object]:
    return opened.table(outcome)[name]


def awaited_end(process: int) -> None:
    """Wait until a process that is no child of this one has ended."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], LONGEST_SECONDS)[0]
    finally:
        os.close(descriptor)


def test_a_worker_is_kept_and_opens_neither_catalog_nor_journal(processes: Bench) -> None:
    first, second = (processes.run(processes.work(f"{number}")) for number in range(2))
    assert one_column(processes, first, "process") == one_column(processes, second, "process") != [os.getpid()]
    loaded = one_column(processes, processes.run(processes.work("modules")), "name")
    assert "assets_core.steps.step" in loaded
    assert [name for name in loaded if str(name).partition(".")[0] == "catalog"] == []


def test_a_large_table_is_handed_to_another_process_by_a_map_and_a_small_one_is_read(
    processes: Bench, tmp_path: Path
) -> None:
    for rows, is_mapped in ((200_000, True), (10, False)):
        made = processes.run(processes.work(f"rows:{rows}"))
        pipe = Pipes(tmp_path, f"{rows}")
        processes.submit(processes.work(f"wait:{pipe.folder}"))  # whoever made it may be busy now
        pipe.begun()
        read = processes.run(processes.reading(made))
        pipe.go()
        processes.next()
        assert one_column(processes, read, "rows") == [rows]
        assert ("/handed-over/act@" in str(one_column(processes, read, "from")[0])) == is_mapped


def test_what_nobody_reads_is_not_handed_over(processes: Bench) -> None:
    made = processes.run(processes.work("rows:300000", is_read=False))
    stored = made.cells[0].stored
    assert stored is not None
    assert not list(processes.staging.rglob(f"*{stored.data.digest}*"))


def test_a_step_does_not_wait_behind_another_while_a_worker_has_nothing_to_do(root: Path, tmp_path: Path) -> None:
    with bench(PROCESSES, root) as opened:
        for _ in range(8):  # so that steps of this asset are known to be quick
            opened.run(opened.work())
        pipes = [Pipes(tmp_path, str(number)) for number in range(2)]
        opened.submit(*(opened.work(f"wait:{pipe.folder}") for pipe in pipes), *(opened.work() for _ in range(4)))
        for pipe in pipes:
            pipe.begun()
        pipes[0].go()
        quick = [opened.next() for _ in range(5)]
        assert all(outcome.cells[0].error is None for outcome in quick)
        assert [running.work.step for running in opened.executor.running()] == [10]
        pipes[1].go()
        assert opened.next().work.step == 10


def test_what_followed_a_worker_that_died_is_done_by_another(root: Path) -> None:
    with bench(PROCESSES, root, slots=1) as opened:
        for _ in range(8):
            opened.run(opened.work())
        works = [opened.work("exit:3"), *(opened.work() for _ in range(5))]
        opened.submit(*works)
        outcomes = {outcome.work.step: outcome.cells[0].error for outcome in (opened.next() for _ in works)}
        assert outcomes == {work.step: WORKER_DIED if work is works[0] else None for work in works}


def test_more_slots_are_used_at_once(root: Path, tmp_path: Path) -> None:
    with bench(PROCESSES, root, slots=1) as opened:
        pipes = [Pipes(tmp_path, str(number)) for number in range(2)]
        opened.submit(*(opened.work(f"wait:{pipe.folder}") for pipe in pipes))
        pipes[0].begun()
        opened.executor.resize(2)
        pipes[1].begun()
        for pipe in pipes:
            pipe.go()
        assert {opened.next().cells[0].error for _ in pipes} == {None}


def test_a_definition_that_changed_meanwhile_fails_the_attempt(processes: Bench) -> None:
    work = processes.work()
    other = replace(work, asset=replace(work.asset, code_version="f" * 32))
    outcome = processes.run(other)
    assert outcome.cells[0].error == "AssetsError"
    assert "the definitions changed while the run went on" in outcome.cells[0].message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda file: file.write_text("import nowhere_to_be_found"), "No module named 'nowhere_to_be_found'"),
        (lambda file: file.write_text(ACTS + "\nimport os\nos._exit(9)\n"), "exit code 9"),
        (lambda file: file.write_text(ACTS + "\nfrom assets_core import external\nexternal('e', path='x.csv')\n"), "e"),
    ],
    ids=["import", "exit", "source"],
)
def test_a_worker_that_cannot_start_is_one_error(
    tmp_path: Path, change: object, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    root = write_project(tmp_path / "project")
    with bench(PROCESSES, root) as opened:
        change(root / "definitions" / "acts.py")  # type: ignore[operator]
        opened.submit(*(opened.work() for _ in range(5)))
        with pytest.raises(AssetsError, match="a worker process could not start") as raised:
            opened.next()
        assert told in str(raised.value)
        opened.executor.close()
        assert opened.outcomes.empty()
    capfd.readouterr()


def test_a_python_that_cannot_be_run_is_one_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(root / "no-python"))
    with bench(PROCESSES, root) as opened:
        opened.submit(opened.work(), opened.work())
        with pytest.raises(AssetsError, match=r"a worker process could not start: .*no-python cannot be run"):
            opened.next()


def test_to_open_and_close_starts_nothing(root: Path) -> None:
    with bench(PROCESSES, root) as opened:
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
        setup = opened.setup.among(2)
        outcomes: SimpleQueue[StepOutcome | BaseException] = SimpleQueue()
        Processes(setup, 2, outcomes.put).close()
        assert Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text() == children
        assert outcomes.empty()


@pytest.mark.parametrize("key", ["wait with a child", "spin"])
def test_workers_end_with_a_coordinator_that_is_killed(root: Path, tmp_path: Path, key: str) -> None:
    pipe = Pipes(tmp_path, "pipe")
    script = (
        "import sys; from pathlib import Path; from executor_contract import *;"
        f"context = bench(KINDS[1], Path({str(root)!r}), slots=1); opened = context.__enter__();"
        f"opened.run(opened.work()); print(opened.executor._workers[0].process.pid, flush=True);"
        f"opened.run(opened.work({key + ':' + str(pipe.folder)!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment) as other:
        assert other.stdout is not None
        ended = [int(other.stdout.readline())]
        if key != "spin":
            ended += pipe.begun()
        other.send_signal(signal.SIGKILL)
        for process in ended:
            awaited_end(process)
    assert not any(is_alive(process) for process in ended)


def test_memory_is_that_of_a_process_with_its_children() -> None:
    script = "import subprocess, sys; kept = b'x' * (48 << 20); child = {}; print(flush=True); sys.stdin.read()"
    inner = script.format("None")
    outer = script.format(f"subprocess.Popen([sys.executable, '-c', {inner!r}], stdin=0)")
    with subprocess.Popen(
        [sys.executable, "-c", outer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        assert 96 << 20 < held_bytes(process.pid) < 160 << 20
        process.stdin.close()


def test_limits_of_time_count_from_when_a_step_begins(processes: Bench) -> None:
    works = [processes.work(f"{number}", Handling(timeout_seconds=30)) for number in range(4)]
    processes.submit(*works)
    assert {processes.next().cells[0].error for _ in works} == {None}
