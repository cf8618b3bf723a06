"""Does a run on Dask survive what happens to clusters: workers that die, stop or are cut off, schedulers that go?"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from dask_cluster import LONGEST_SECONDS, TTL_SECONDS, Cluster, Proxy, free_port, until
from distributed import Client
from executor_contract import Bench, Kind, Pipes, bench, is_alive, write_project
from moto.server import ThreadedMotoServer

from assets_core.errors import AssetsError, UserError
from assets_core.execution import conduct
from assets_core.executors import on_dask, on_dask_worker
from assets_core.executors.executor import CANCELLED, WORKER_DIED
from assets_core.executors.on_dask import OnDask
from assets_core.executors.on_dask_cluster import OwnCluster
from assets_core.executors.workplace import Setup
from assets_core.materialize import materialize
from assets_core.model.run import RunResult
from assets_core.project import find_project
from assets_core.steps.wire import work_to_json
from catalog.segments import read

DAYS = """
import polars as pl
from assets_core import DailyPartitions, Partition, asset

DAYS = DailyPartitions("2024-03-28", "2024-04-03", tz="Europe/Berlin")

@asset(partitions=DAYS)
def day(partition: Partition) -> pl.DataFrame:
    hours = (partition.end.timestamp() - partition.start.timestamp()) / 3600
    return pl.DataFrame({"word": ["x", "ü"], "day": partition.key, "hours": hours})

@asset()
def total(day: pl.LazyFrame) -> pl.LazyFrame:
    return day.group_by("word").agg(pl.col("hours").sum()).sort("word")

@asset()
def place(total: pl.DataFrame) -> pl.DataFrame:
    print("said on a worker")
    return total.select(pl.len())
"""


def on(cluster: Cluster) -> Kind:
    return Kind("dask", lambda setup, workshop, slots, deliver: OnDask(setup, cluster.address, slots, deliver), True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that is harmed."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    made.begin()
    yield made
    made.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("on-dask") / "project")


@pytest.fixture
def opened(cluster: Cluster, root: Path) -> Iterator[Bench]:
    """An executor on one worker that answers."""
    if [worker.poll() for worker in cluster.workers] != [None]:
        cluster.renew()
    with bench(on(cluster), root) as made:
        yield made
    cluster.workers = [worker for worker in cluster.workers if worker.poll() is None]


def waiting(opened: Bench, pipe: Pipes) -> int:
    """Begin a step that waits, and return the number of the process that it runs in."""
    opened.submit(opened.work(f"wait:{pipe.folder}"))
    return pipe.begun()[0]


# Workers


def test_a_killed_worker_is_one_failed_attempt_and_takes_its_steps_along(
    cluster: Cluster, opened: Bench, tmp_path: Path
) -> None:
    worker, step = cluster.workers[-1], waiting(opened, Pipes(tmp_path, "pipe"))
    worker.kill()
    cell = opened.next().cells[0]
    assert (cell.error, cell.kinds) == (WORKER_DIED, (WORKER_DIED,))
    assert "tcp://127.0.0.1" in cell.message
    until(lambda: not is_alive(step))
    cluster.add()
    assert opened.run(opened.work()).cells[0].error is None


def test_of_a_batch_whose_worker_was_killed_each_step_is_tried_again(
    cluster: Cluster, opened: Bench, tmp_path: Path
) -> None:
    for _ in range(3):
        opened.run(opened.work())  # so that such steps are known to be short
    pipe = Pipes(tmp_path, "pipe")
    works = [opened.work(f"wait:{pipe.folder}"), *(opened.work() for _ in range(5))]
    opened.submit(*works)
    pipe.begun()
    assert len(opened.executor.running()) == 1
    assert opened.executor.cancel() == [], "they are in one batch"
    cluster.workers[-1].kill()
    cluster.add()
    pipe.begun()
    pipe.go()
    outcomes = [opened.next() for _ in works]
    assert sorted(outcome.work.step for outcome in outcomes) == [work.step for work in works]
    assert all(outcome.cells[0].error is None for outcome in outcomes)


def test_a_worker_that_was_stopped_is_given_up_and_not_heard_when_it_goes_on(
    cluster: Cluster, opened: Bench, tmp_path: Path
) -> None:
    pipe, stopped = Pipes(tmp_path, "pipe"), cluster.workers[-1]
    waiting(opened, pipe)
    started = time.monotonic()
    stopped.send_signal(signal.SIGSTOP)
    pipe.go()  # its step ends, and cannot be told
    cluster.add()
    assert opened.next().cells[0].error == WORKER_DIED
    assert time.monotonic() - started < 4 * TTL_SECONDS
    again = opened.run(opened.work(attempt=2))
    stopped.send_signal(signal.SIGCONT)
    assert again.cells[0].error is None
    assert stopped.wait(LONGEST_SECONDS) is not None, "it has been sent away"
    assert opened.run(opened.work()).cells[0].error is None
    assert opened.outcomes.empty(), "the late one is not heard"


def test_a_worker_that_was_cut_off_is_given_up(cluster: Cluster, root: Path, tmp_path: Path) -> None:
    port = free_port()
    to_scheduler, to_worker = Proxy(cluster.port), Proxy(port)
    away = f"tcp://127.0.0.1:{to_worker.port}"
    listen = ("--listen-address", f"tcp://127.0.0.1:{port}", "--contact-address", away)
    cluster.renew(*listen, at=f"tcp://127.0.0.1:{to_scheduler.port}")
    pipe = Pipes(tmp_path, "pipe")
    with bench(on(cluster), root) as opened:
        waiting(opened, pipe)
        started = time.monotonic()
        for proxy in (to_scheduler, to_worker):
            proxy.cut()
        pipe.go()
        cluster.add()
        cell = opened.next().cells[0]
        assert (cell.error, away in cell.message) == (WORKER_DIED, True)
        assert time.monotonic() - started < 4 * TTL_SECONDS
        assert opened.run(opened.work(attempt=2)).cells[0].error is None
        assert opened.outcomes.empty()
    cluster.workers[0].kill()
    for proxy in (to_scheduler, to_worker):
        proxy.close()


def test_a_step_of_a_worker_that_does_not_answer_is_cancelled_all_the_same(
    cluster: Cluster, opened: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_dask, "_END_SECONDS", 0.3)
    waiting(opened, Pipes(tmp_path, "pipe"))
    stopped = cluster.workers[-1]
    stopped.send_signal(signal.SIGSTOP)
    opened.executor.kill()
    assert opened.next().cells[0].error == CANCELLED
    stopped.kill()


def test_many_short_steps_are_few_batches(opened: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    follow = OnDask._run

    async def counted(self: OnDask, batch: Any) -> None:
        given.append(len(batch.given))
        await follow(self, batch)

    monkeypatch.setattr(OnDask, "_run", counted)
    opened.submit(*(opened.work() for _ in range(300)))
    assert all(opened.next().cells[0].error is None for _ in range(300))
    assert given[0] == 1, "of what is not known, one"
    assert len(given) < 20
    assert opened.executor.backlog > 16


# Schedulers


def test_a_scheduler_that_is_killed_takes_what_it_had_and_the_next_one_is_used(
    cluster: Cluster, opened: Bench, tmp_path: Path
) -> None:
    pipe = Pipes(tmp_path, "pipe")
    waiting(opened, pipe)
    cluster.close()
    assert opened.next().cells[0].message == f"the scheduler at {cluster.address} is gone"
    cluster.begin()
    cluster.add()
    assert opened.run(opened.work(attempt=2)).cells[0].error is None


def test_a_scheduler_that_is_gone_for_good_is_one_clear_error(
    cluster: Cluster, opened: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_dask, "CONNECT_SECONDS", 0.5)
    waiting(opened, Pipes(tmp_path, "pipe"))
    opened.submit(opened.work())
    cluster.close()
    assert opened.next().cells[0].error == WORKER_DIED
    with pytest.raises(AssetsError, match=f"no Dask cluster could be reached at {cluster.address}"):
        opened.next()
    opened.executor.close()
    assert opened.outcomes.empty()
    cluster.begin()
    monkeypatch.undo()
    monkeypatch.setattr(on_dask, "WORKERS_SECONDS", 0.2)
    with pytest.raises(AssetsError, match=r"has no workers(?s:.*)dask worker"):
        OnDask(opened.setup, cluster.address, 1, opened.outcomes.put)


def test_no_cluster_at_the_address_is_one_clear_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_dask, "CONNECT_SECONDS", 0.5)
    setup = Setup(str(root), "run", {"staging": str(root / "s"), "files": {}}, "", str(root / "s"), 1)
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://x"):
        with pytest.raises(AssetsError, match=r"no Dask cluster could be reached at(?s:.*)\[dask\] address"):
            OnDask(setup, address, 1, lambda _: None)


# Versions


def test_a_worker_of_other_versions_refuses() -> None:
    document = {"versions": {**on_dask_worker.versions(), "python": "2.7", "assets-core": "0"}, "run": "x"}
    answer = json.loads(on_dask_worker.run_batch(json.dumps(document).encode()))
    assert answer["host"] == socket.gethostname()
    for told in ("assets-core is 0.1.0 here and 0 there", "and 2.7 there", "same versions on every machine"):
        assert told in answer["refused"]


def test_a_worker_with_other_definitions_of_what_is_read_ends_the_run(cluster: Cluster, opened: Bench) -> None:
    told = Setup(**{**opened.setup.to_json(), "sources": "0" * 32})
    executor = OnDask(told, cluster.address, 1, opened.outcomes.put)
    executor.submit(opened.work())
    with pytest.raises(AssetsError, match="definitions changed while the run went on") as refused:
        opened.next()
    assert socket.gethostname() in str(refused.value)
    executor.close()


def test_a_worker_that_does_not_share_the_folder_refuses(opened: Bench, tmp_path: Path) -> None:
    store = {**opened.setup.store, "staging": str(tmp_path / "elsewhere")}
    setup = Setup(**{**opened.setup.to_json(), "store": store}).to_json()
    works = [{"work": work_to_json(opened.work()), "timeout_seconds": None, "memory_bytes": None}]
    document = {"versions": on_dask_worker.versions(), "run": "x", "setup": setup, "works": works}
    answer = json.loads(on_dask_worker.run_batch(json.dumps(document).encode()))
    assert "does not see what the coordinator wrote" in answer["refused"]


def test_a_project_elsewhere_needs_data_that_is_not_in_the_project(opened: Bench) -> None:
    with pytest.raises(AssetsError, match=r"the data lies in .*the worker has the project in /copy(?s:.*)\[storage\]"):
        on_dask_worker.placed(opened.setup, "/copy")
    shared = {"folder": "/mnt/data"}
    setup = Setup("/a", "r", {"files": shared, "staging": "/mnt/data/.staging/r"}, "", "/a/.assets/staging/r", 1)
    placed = on_dask_worker.placed(setup, "/copy")
    assert (placed.root, placed.staging) == ("/copy", "/copy/.assets/staging/r")
    assert placed.store == setup.store


def test_without_the_package_the_extra_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "assets_core.executors.on_dask")
    monkeypatch.delattr("assets_core.executors.on_dask")
    with pytest.raises(UserError, match=r"pip install 'assets-core\[dask\]'"):
        materialize(find_project(root), "given", executor="dask")


def test_dask_is_imported_by_nobody_who_does_not_ask_for_it() -> None:
    names = f"assets_core, {conduct.__name__}, {on_dask_worker.__name__}"
    code = f"import sys, {names}; print('distributed' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# Whole runs


def with_data(root: Path, settings: str = "") -> Path:
    write_project(root, DAYS)
    with (root / "assets.toml").open("a") as file:
        file.write(settings)
    return root


def made(root: Path, executor: str) -> tuple[RunResult, list[tuple[object, ...]]]:
    """Run everything; return what the records say of each cell that was made."""
    result = materialize(find_project(root), executor=executor)
    cells = [
        tuple(record.payload[name] for name in ("asset", "partition", "recipe", "version", "file_digest"))
        for record in read(root / ".assets" / "journal", 0)
        if record.kind == "materialized"
    ]
    return result, sorted(cells, key=str)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Settings for data in a bucket of a real S3 API."""
    for name, value in {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint, name = f"http://{host}:{port}", f"data-{uuid.uuid4()}"
    boto3.resource("s3", region_name="us-east-1", endpoint_url=endpoint).Bucket(name).create()
    yield (
        f'\n[storage]\nurl = "s3://{name}/shared"\n[storage.options]\nendpoint = "{endpoint}"\n'
        'region = "us-east-1"\nallow_http = true\n'
    )
    server.stop()


def test_workers_share_a_bucket_and_nothing_else(cluster: Cluster, bucket: str, tmp_path: Path) -> None:
    beside = made(with_data(tmp_path / "threads"), "threads")[1]
    root = with_data(tmp_path / "coordinator", f'{bucket}\n[dask]\naddress = "{cluster.address}"\n')
    copy = tmp_path / "worker" / "its copy"
    shutil.copytree(root, copy)
    cluster.renew(env={"ASSETS_PROJECT": str(copy)})
    result, cells = made(root, "dask")
    assert (result.made, result.failed) == (8, 0), result.failures
    assert cells == beside
    assert not (root / ".assets" / "data").exists()
    assert not (copy / ".assets" / "data").exists()
    assert not (copy / ".assets" / "journal").exists()
    logs = (copy / ".assets" / "logs").rglob("*.jsonl")
    assert "said on a worker" in "".join(path.read_text() for path in logs)
    until(lambda: not list((copy / ".assets" / "staging").glob("*/*")))


def test_a_cluster_of_this_machine_dies_with_a_coordinator_that_is_killed(tmp_path: Path) -> None:
    root = write_project(tmp_path / "project", ACT_AND_WAIT)
    pipe = Pipes(tmp_path, "pipe")
    coordinator = subprocess.Popen(
        [str(Path(sys.executable).parent / "assets"), "materialize", "--executor", "dask"],
        cwd=root,
        env={**os.environ, "PIPE": str(pipe.folder), "MARK_OF_A_TEST": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    (step,) = pipe.begun()
    cluster = processes_with(f"MARK_OF_A_TEST={root}") - {coordinator.pid}
    assert step in cluster
    assert len(cluster) >= 4, "a scheduler, two workers, a step"
    coordinator.kill()
    _, said = coordinator.communicate()
    assert "distributed" not in said
    until(lambda: not processes_with(f"MARK_OF_A_TEST={root}"))


ACT_AND_WAIT = """
import os
from pathlib import Path

import polars as pl
from assets_core import asset

@asset()
def waits() -> pl.DataFrame:
    folder = Path(os.environ["PIPE"])
    (folder / "begun").write_text(str(os.getpid()))
    return pl.DataFrame({"said": [(folder / "go").read_text()]})
"""


def processes_with(variable: str) -> set[int]:
    """Return the processes that run with a variable in their environment."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0") and is_alive(int(folder.name)):
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def test_the_port_of_a_cluster_of_this_machine_is_closed_to_others(tmp_path: Path) -> None:
    own = OwnCluster(1, tmp_path / "dask")
    try:
        address = own.address()
        assert address.startswith("tls://127.0.0.1:")
        with pytest.raises(OSError, match=r"timed out|failed|TLS|reset|closed"):
            Client(address.replace("tls://", "tcp://"), timeout=0.5, set_as_default=False)
    finally:
        own.close()
    assert not (tmp_path / "dask").exists()
