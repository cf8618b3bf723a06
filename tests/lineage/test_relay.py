"""The relay: every event in the file exactly once whatever is cut off it, and at the receiver at least once."""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from event_schemas import validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lineage_facts import declarations, made, run_ended, run_started, story, write

from assets_core.lineage import relay as relay_module
from assets_core.lineage.events import JOURNAL_FACET, EventMapper
from assets_core.lineage.receiver import Receiver, is_configured
from assets_core.lineage.relay import Relay
from catalog.errors import JournalDamaged
from catalog.segments import read

NAME = "flights project"


@pytest.fixture(autouse=True)
def nowhere_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    write(tmp_path / "journal", story(), 3).close()
    return tmp_path / "journal"


def _expected(journal: Path) -> bytes:
    mapper = EventMapper(NAME, f"assets-core://{NAME}")
    events = [event for record in read(journal) for event in mapper.feed(record)]
    return b"".join(json.dumps(e, separators=(",", ":"), ensure_ascii=False).encode() + b"\n" for e in events)


def test_the_file_holds_every_event_of_the_journal(journal: Path, tmp_path: Path) -> None:
    file = tmp_path / "lineage" / "events.jsonl"
    count = Relay(journal, file, NAME).catch_up()
    assert file.read_bytes() == _expected(journal)
    assert count == len(file.read_bytes().splitlines()) == 26
    for line in file.read_text().splitlines():
        validate(json.loads(line))


def test_catching_up_again_adds_nothing(journal: Path, tmp_path: Path) -> None:
    relay = Relay(journal, tmp_path / "events.jsonl", NAME)
    relay.catch_up()
    assert relay.catch_up() == 0
    assert Relay(journal, tmp_path / "events.jsonl", NAME).catch_up() == 0
    assert (tmp_path / "events.jsonl").read_bytes() == _expected(journal)


def test_a_relay_kept_open_adds_what_is_new_and_so_does_another(tmp_path: Path) -> None:
    journal = write(tmp_path / "journal", declarations())
    kept = Relay(tmp_path / "journal", tmp_path / "events.jsonl", NAME)
    assert kept.catch_up() == 0
    for number in range(6):
        journal.append([run_started(number), *made(number, number, "report", None)])
        relay = kept if number % 3 else Relay(tmp_path / "journal", tmp_path / "events.jsonl", NAME)
        assert relay.catch_up() == 3
        journal.append([run_ended(number)])
        assert kept.catch_up() == 1
    journal.close()
    assert (tmp_path / "events.jsonl").read_bytes() == _expected(tmp_path / "journal")


def test_an_empty_or_absent_journal_has_no_events(tmp_path: Path) -> None:
    assert Relay(tmp_path / "journal", tmp_path / "events.jsonl", NAME).catch_up() == 0
    assert (tmp_path / "events.jsonl").read_bytes() == b""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), garbage=st.sampled_from([b"", b"{", b"\x00" * 40, b"\x00\x00\n", b"not json\n", b"{}\n"]))
def test_whatever_a_crash_leaves_of_the_file_it_ends_up_the_same(
    journal: Path, tmp_path: Path, cut: float, garbage: bytes
) -> None:
    file = tmp_path / "events.jsonl"
    kept = Relay(journal, file, NAME)
    kept.catch_up()
    whole = file.read_bytes()
    for relay in (kept, Relay(journal, file, NAME)):
        file.write_bytes(whole[: int(cut * len(whole))] + garbage)
        relay.catch_up()
        assert file.read_bytes() == whole


def test_events_of_one_record_are_not_lost_or_doubled_when_cut_between_them(journal: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    Relay(journal, file, NAME).catch_up()
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    numbers = [json.loads(line)["run"]["facets"][JOURNAL_FACET] for line in lines]
    assert [number["event"] for number in numbers].count(2) == 1, "three events of one record: two ABORTs and the run's"
    for kept in range(len(lines)):
        file.write_bytes(b"".join(lines[:kept]))
        assert Relay(journal, file, NAME).catch_up() == len(lines) - kept
        assert file.read_bytes() == whole


def test_notes_spare_a_later_process_the_journal_up_to_them(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_NOTED_EVERY", 10)
    file = tmp_path / "events.jsonl"
    Relay(journal, file, NAME).catch_up()
    passed: list[int] = []
    monkeypatch.setattr(EventMapper, "pass_over", lambda _, record: passed.append(record.seq))
    assert Relay(journal, file, NAME).catch_up() == 0
    assert passed == []
    (tmp_path / "events.jsonl.state").unlink()
    assert Relay(journal, file, NAME).catch_up() == 0
    assert passed[0] == 1


@pytest.mark.parametrize("spoil", ["torn", "ahead", "another journal", "another version"])
def test_notes_that_do_not_fit_are_not_used(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    monkeypatch.setattr(relay_module, "_NOTED_EVERY", 1)
    file, notes = tmp_path / "events.jsonl", tmp_path / "events.jsonl.state"
    Relay(journal, file, NAME).catch_up()
    whole = file.read_bytes()
    text = notes.read_text()
    document = json.loads(text)
    match spoil:
        case "torn":
            notes.write_text(text[:-9])
        case "ahead":
            file.write_bytes(whole[: len(whole) // 2])
        case "another version":
            notes.write_text(json.dumps(document | {"product": "0.0.1", "story": {}}))
        case "another journal":
            document["position"][1] = "00" * 32
            document["position"][0] -= 1
            notes.write_text(json.dumps(document))
    relay = Relay(journal, file, NAME)
    relay.catch_up()
    assert file.read_bytes() == whole


def test_a_damaged_journal_is_said_and_costs_no_event(journal: Path, tmp_path: Path) -> None:
    file, segment = tmp_path / "events.jsonl", next(journal.glob("*.jsonl"))
    whole = segment.read_bytes()
    segment.write_bytes(whole.replace(b"disk full", b"disk fill"))
    relay = Relay(journal, file, NAME)
    for _ in range(2):
        with pytest.raises(JournalDamaged):
            relay.catch_up()
    segment.write_bytes(whole)
    relay.catch_up()
    assert file.read_bytes() == _expected(journal)


def test_processes_that_catch_up_at_once_do_not_double_lines(journal: Path, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    program = (
        "import sys, pathlib; from assets_core.lineage.relay import Relay;"
        "journal, file = map(pathlib.Path, sys.argv[1:]);"
        f"[Relay(journal, file, {NAME!r}).catch_up() for _ in range(20)]"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(journal), str(file)]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert file.read_bytes() == _expected(journal)


def test_threads_that_catch_up_at_once_do_not_double_lines(tmp_path: Path) -> None:
    journal = write(tmp_path / "journal", declarations())
    relays = [Relay(tmp_path / "journal", tmp_path / "events.jsonl", NAME) for _ in range(4)]

    def follow(relay: Relay) -> None:
        for _ in range(30):
            relay.catch_up()

    threads = [threading.Thread(target=follow, args=(relay,)) for relay in relays]
    for thread in threads:
        thread.start()
    for number in range(20):
        journal.append([run_started(number), *made(number, number, "report", None), run_ended(number)])
    for thread in threads:
        thread.join()
    journal.close()
    relays[0].catch_up()
    assert (tmp_path / "events.jsonl").read_bytes() == _expected(tmp_path / "journal")


def test_disabled_means_no_event_until_it_is_enabled(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_DISABLED", " True ")
    relay = Relay(journal, tmp_path / "events.jsonl", NAME)
    assert relay.catch_up() == 0
    assert not (tmp_path / "events.jsonl").exists()
    monkeypatch.delenv("OPENLINEAGE_DISABLED")
    assert relay.catch_up() == 26


def test_the_client_is_imported_only_where_it_is_configured(journal: Path, tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from assets_core.lineage.relay import Relay;"
        f"Relay(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), {NAME!r}).catch_up();"
        "sys.exit('openlineage' in sys.modules or 'requests' in sys.modules or 'sqlglot' in sys.modules)"
    )
    file = str(tmp_path / "events.jsonl")
    assert subprocess.run([sys.executable, "-c", program, str(journal), file], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENLINEAGE_URL", "http://127.0.0.1:1"),
        ("OPENLINEAGE__TRANSPORT__TYPE", "console"),
        ("OPENLINEAGE__TRANSPORT", "{}"),
        ("OPENLINEAGE_CONFIG", "other.yml"),
        (None, "openlineage.yml"),
        (None, ".openlineage/openlineage.yml"),
    ],
)
def test_every_place_where_the_client_looks_counts_as_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None, value: str
) -> None:
    assert not is_configured()
    (tmp_path / ".openlineage").mkdir()
    if value.endswith("yml"):
        (tmp_path / value).write_text("transport: {type: console}")
    if name is not None:
        monkeypatch.setenv(name, value)
    assert is_configured()


# A real receiver: an HTTP server of this process, which can be told to answer with an error


class _Server:
    """Collects the events posted to it."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.answers: Callable[[dict[str, Any]], int] = lambda _: 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = outer.answers(event)
                if status == 200:
                    outer.events.append(event)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._handler = Handler
        self.port = 0
        self.start()

    def start(self) -> None:
        ThreadingHTTPServer.allow_reuse_address = True
        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    server = _Server()
    monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{server.port}")
    before = set(os.environ)
    logging.getLogger("openlineage").setLevel(logging.CRITICAL)
    yield server
    for name in set(os.environ) - before:  # the client adds its own
        del os.environ[name]
    server.stop()


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _numbers(events: list[dict[str, Any]]) -> list[tuple[int, int]]:
    numbers = [event["run"]["facets"][JOURNAL_FACET] for event in events]
    return [(number["seq"], number["event"]) for number in numbers]


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_configured_receiver_gets_every_event_once_and_valid(journal: Path, tmp_path: Path, server: _Server) -> None:
    file = tmp_path / "events.jsonl"
    relay = Relay(journal, file, NAME)
    relay.catch_up()
    relay.catch_up()
    Relay(journal, file, NAME).catch_up()
    assert _numbers(server.events) == _numbers(_lines(file))
    for got, sent in zip(server.events, _lines(file), strict=True):
        tags = got["run"]["facets"].pop("tags")
        assert tags["tags"][0]["key"] == "openlineage_client_version"
        for dataset in sent["inputs"]:
            dataset.setdefault("inputFacets", {})
        assert got == sent
        validate(got)


def test_a_receiver_that_is_down_for_a_while_misses_nothing(
    tmp_path: Path, server: _Server, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, file = write(tmp_path / "journal", declarations()), tmp_path / "events.jsonl"
    relay = Relay(tmp_path / "journal", file, NAME)
    for number in range(5):
        journal.append([run_started(number), *made(number, number, "report", None), run_ended(number)])
        if number == 1:
            server.stop()
        if number == 4:
            server.start()
            relay = Relay(tmp_path / "journal", file, NAME)
        assert relay.catch_up() == 4
    journal.close()
    assert _numbers(server.events) == _numbers(_lines(file))
    assert capsys.readouterr().err.count("the OpenLineage receiver cannot be reached") == 1


def test_after_a_failure_a_receiver_is_left_alone_for_half_a_minute(
    journal: Path, tmp_path: Path, server: _Server, capsys: pytest.CaptureFixture[str]
) -> None:
    file, clock = tmp_path / "events.jsonl", _Clock()
    Relay(journal, file, NAME).catch_up()
    (tmp_path / "events.jsonl.delivered").unlink()
    server.events.clear()
    asked: list[str] = []

    def answer(event: dict[str, Any]) -> int:
        asked.append(event["eventType"])
        return 503 if len(asked) == 4 else 200

    server.answers = answer
    receiver = Receiver(file, clock=clock)
    assert receiver.deliver() == 3
    clock.now += 29
    assert receiver.deliver() == 0
    assert len(asked) == 4
    clock.now += 2
    assert receiver.deliver() == 23
    assert _numbers(server.events) == _numbers(_lines(file))
    assert "503" in capsys.readouterr().err


def test_a_slow_receiver_is_given_a_few_seconds_at_a_time(journal: Path, tmp_path: Path, server: _Server) -> None:
    file, clock = tmp_path / "events.jsonl", _Clock()

    def slow(_: dict[str, Any]) -> int:
        clock.now += 2
        return 200

    server.answers = slow
    Relay(journal, file, NAME).catch_up()
    (tmp_path / "events.jsonl.delivered").unlink()
    server.events.clear()
    receiver = Receiver(file, clock=clock)
    assert [receiver.deliver() for _ in range(10)] == [3, 3, 3, 3, 3, 3, 3, 3, 2, 0]
    assert _numbers(server.events) == _numbers(_lines(file))


def test_an_event_that_is_refused_does_not_hold_up_the_others(
    journal: Path, tmp_path: Path, server: _Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = lambda event: 422 if event["job"]["name"] == "regions" else 200
    file = tmp_path / "events.jsonl"
    Relay(journal, file, NAME).catch_up()
    assert len(server.events) == 24
    assert capsys.readouterr().err.count("the OpenLineage receiver refuses event") == 2


@pytest.mark.parametrize("place", ["gone", "torn", "of another file"])
def test_without_a_known_place_events_are_rather_sent_twice_than_never(
    journal: Path, tmp_path: Path, server: _Server, place: str
) -> None:
    file, noted = tmp_path / "events.jsonl", tmp_path / "events.jsonl.delivered"
    half = len(_expected(journal).splitlines()) // 2
    Relay(journal, file, NAME).catch_up()
    match place:
        case "gone":
            noted.unlink()
        case "torn":
            noted.write_text('{"start": 1')
        case "of another file":
            number = _numbers(_lines(file))[half]
            noted.write_text(json.dumps({"start": 17, "end": 40, "seq": number[0], "event": number[1]}))
    server.events.clear()
    Relay(journal, file, NAME).catch_up()
    assert _numbers(server.events) == _numbers(_lines(file))[half + 1 if place == "of another file" else 0 :]


def test_a_wrong_configuration_of_the_client_does_not_stop_the_file(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "no.such.Transport")
    relay = Relay(journal, tmp_path / "events.jsonl", NAME)
    assert relay.catch_up() == 26
    assert "no.such" in capsys.readouterr().err


class _Background:
    """A transport of its own thread: it takes everything and says only later what arrived."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.failed = 0

    def wait_for_completion(self, timeout: float) -> bool:
        return timeout > 0

    def get_stats(self) -> dict[str, int]:
        return {"failed": self.failed}


class _Client:
    def __init__(self, transport: _Background) -> None:
        self.transport = transport

    def emit(self, event: Any) -> None:
        self.transport.taken.append(event)


def test_events_that_a_background_transport_lost_are_sent_again(journal: Path, tmp_path: Path) -> None:
    transport, clock = _Background(), _Clock()
    file = tmp_path / "events.jsonl"
    Relay(journal, file, NAME).catch_up()
    receiver = Receiver(file, _Client(transport), clock)
    transport.failed = 1
    assert receiver.deliver() == 0
    transport.taken.clear()
    clock.now = 31
    assert receiver.deliver() == 26
    assert [event.job.name for event in transport.taken] == [event["job"]["name"] for event in _lines(file)]


def test_two_that_deliver_at_once_do_not_send_twice(journal: Path, tmp_path: Path, server: _Server) -> None:
    file = tmp_path / "events.jsonl"
    other = Receiver(file)
    counts: list[int] = []

    def answer(_: dict[str, Any]) -> int:
        counts.append(other.deliver())
        return 200

    server.answers = answer
    Relay(journal, file, NAME).catch_up()
    assert set(counts) == {0}
    assert len(server.events) == 26


def test_a_large_history_is_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_WRITTEN_AT_ONCE", 3)
    draw = random.Random(1)  # noqa: S311  # sizes for a test
    journal = write(tmp_path / "journal", declarations())
    relay = Relay(tmp_path / "journal", tmp_path / "events.jsonl", NAME)
    for number in range(12):
        journal.append(
            [fact for n in range(draw.randint(1, 4)) for fact in made(number, 10 * number + n, "report", None)]
        )
        if draw.random() < 0.5:
            relay.catch_up()
    relay.catch_up()
    journal.close()
    assert (tmp_path / "events.jsonl").read_bytes() == _expected(tmp_path / "journal")
