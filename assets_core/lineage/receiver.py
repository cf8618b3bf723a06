"""Send the events of a file to whatever the OpenLineage client is configured for: at least once, never blocking long.

Owned by `relay.py`, which writes the file. The place reached is kept beside it, so that a receiver that was down gets
what it missed. The client is imported only where one is configured.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from .events import JOURNAL_FACET

_ATTEMPT_SECONDS = 5.0
_PAUSE_SECONDS = 30.0
_REFUSALS = (400, 413, 422)
_PLACE_WIDTH = 120  # written in one piece, over the one before


class Client(Protocol):
    """What is used of `openlineage.client.OpenLineageClient`."""

    transport: Any

    def emit(self, event: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the last delivered line begins and ends, with the sequence number and position of its event."""

    start: int = 0
    end: int = 0
    seq: int = 0
    event: int = -1


def is_disabled() -> bool:
    """Tell whether the environment turns OpenLineage off."""
    return os.environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true"


def is_configured() -> bool:
    """Tell whether the OpenLineage client would find a configuration: in the environment or in its file."""
    if os.environ.get("OPENLINEAGE_URL") or any(name.startswith("OPENLINEAGE__TRANSPORT") for name in os.environ):
        return True
    places = [os.environ.get("OPENLINEAGE_CONFIG"), "openlineage.yml", "~/.openlineage/openlineage.yml"]
    return any(place and os.path.isfile(os.path.expanduser(place)) for place in places)


class Receiver:
    """Sends events on. `client` is made from the client's own configuration where none is given."""

    def __init__(
        self, events_file: Path, client: Client | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._events_file = events_file
        self._place_file = events_file.with_name(f"{events_file.name}.delivered")
        self._client = client
        self._clock = clock
        self._paused_until = clock()
        self._failures = 0
        self._has_complained = False

    def deliver(self) -> int:
        """Send the events not sent yet, for a few seconds at most; return how many arrived.

        After a failure nothing is sent for half a minute, so that a dead receiver costs a run next to nothing.
        """
        if self._clock() < self._paused_until:
            return 0
        place_file = os.open(self._place_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(place_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            place = self._found(os.pread(place_file, _PLACE_WIDTH, 0))
            reached, arrived = self._send_after(place)
            if reached != place:
                os.pwrite(place_file, json.dumps(asdict(reached)).ljust(_PLACE_WIDTH).encode(), 0)
        except BlockingIOError:  # another process is delivering
            return 0
        finally:
            os.close(place_file)
        return arrived

    def _send_after(self, place: _Place) -> tuple[_Place, int]:
        deadline = self._clock() + _ATTEMPT_SECONDS
        before, arrived = place, 0
        try:
            client = self._client = self._client or _configured_client()
            for line, event in _events(self._events_file, place.end):
                try:
                    client.emit(_run_event(event))
                except Exception as error:
                    if getattr(getattr(error, "response", None), "status_code", None) not in _REFUSALS:
                        raise
                    sys.stderr.write(f"lineage: the OpenLineage receiver refuses event {line.seq}: {error}\n")
                place, arrived = line, arrived + 1
                if self._clock() > deadline:
                    break
            self._wait(client)
        except _Unsent as error:
            self._pause(error)
            return before, 0
        except Exception as error:  # noqa: BLE001  # transports raise what they like
            self._pause(error)
        return place, arrived

    def _wait(self, client: Client) -> None:
        """Wait until a transport that sends in the background has sent everything."""
        wait = getattr(client.transport, "wait_for_completion", None)
        if wait is None:
            return
        done = wait(timeout=_ATTEMPT_SECONDS)
        failures, self._failures = self._failures, client.transport.get_stats()["failed"]
        if not done or self._failures > failures:
            raise _Unsent("the transport did not send every event")

    def _pause(self, error: Exception) -> None:
        self._paused_until = self._clock() + _PAUSE_SECONDS
        if not self._has_complained:
            self._has_complained = True
            sys.stderr.write(
                f"lineage: the OpenLineage receiver cannot be reached ({error}); it gets what it misses later\n"
            )

    def _found(self, text: bytes) -> _Place:
        """Return the place that was noted; found again by its event where the events file was made anew."""
        try:
            place = _Place(**json.loads(text))
        except (ValueError, TypeError):
            return _Place()
        line = next((line for line, _ in _events(self._events_file, place.start)), None)
        if line == place:
            return place
        found = _Place()
        for line, _ in _events(self._events_file, 0):
            if (line.seq, line.event) > (place.seq, place.event):
                break
            found = line
        return found


class _Unsent(Exception):
    """Events that were handed over did not arrive."""


def _events(events_file: Path, offset: int) -> Iterator[tuple[_Place, dict[str, Any]]]:
    """Yield the complete lines behind an offset; nothing where no line begins there."""
    with events_file.open("rb") as file:
        if offset:
            file.seek(offset - 1)
            if file.read(1) != b"\n":
                return
        for line in file:
            if not line.endswith(b"\n"):
                return
            event = json.loads(line)
            number = event["run"]["facets"][JOURNAL_FACET]
            yield _Place(offset, offset + len(line), number["seq"], number["event"]), event
            offset += len(line)


def _configured_client() -> Client:
    """Return the client for its own configuration, without retries: what fails is sent again later anyway."""
    from openlineage.client import OpenLineageClient  # it takes 0.3 s to import

    client = OpenLineageClient()
    for transport in (client.transport, *getattr(client.transport, "transports", ())):
        config = getattr(transport, "config", None)
        if config is not None and hasattr(config, "retry"):
            config.retry = {**config.retry, "total": 0, "connect": 0, "read": 0}
    return client


def _run_event(event: Mapping[str, Any]) -> object:
    """Return an event as the client takes it; facets stay as they are, but for tags of jobs: the client adds some."""
    from openlineage.client import event_v2, facet_v2  # it takes 0.3 s to import

    job_facets = dict(event["job"]["facets"])
    if tags := job_facets.get("tags"):
        fields = [facet_v2.tags_job.TagsJobFacetFields(**tag) for tag in tags["tags"]]
        job_facets["tags"] = facet_v2.tags_job.TagsJobFacet(tags=fields, producer=event["producer"])
    return event_v2.RunEvent(
        eventType=event_v2.RunState[event["eventType"]],
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=event_v2.Run(**event["run"]),
        job=event_v2.Job(event["job"]["namespace"], event["job"]["name"], job_facets),
        inputs=[event_v2.InputDataset(**dataset) for dataset in event["inputs"]],
        outputs=[event_v2.OutputDataset(**dataset) for dataset in event["outputs"]],
    )
