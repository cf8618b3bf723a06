"""A worker process: loads the project once, then runs one step at a time. It opens no catalog and no journal.

Started by `processes.py` as `python -m assets_core.executors.worker N M`: its end of a socket pair, and that of a pipe.
It ends when there is no more to come, and at once, with all that its step has started, when the coordinator dies.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any

from ..errors import AssetsError, OutputError
from ..steps.wire import outcome_to_json, refusal_to_json, work_from_json
from .frames import TURN, Frames, framed

_PR_SET_PDEATHSIG = 1
_RECEIVED_BYTES = 1 << 16


def main() -> None:
    faulthandler.enable()  # what it says on stderr becomes part of the attempt's message
    signal.signal(signal.SIGINT, _ignore)  # Ctrl-C is for the coordinator: steps that run end first
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        channel.set_inheritable(False)
        turns = int(sys.argv[2])
        os.set_inheritable(turns, False)
        _end_with_parent(channel)
        serve(channel, turns)


def serve(channel: socket.socket, turns: int) -> None:
    """Answer messages until there are no more: the first one says how to set up, each other one is a step."""
    messages = _messages(channel)
    if (first := next(messages, None)) is None:
        return
    try:
        from ..steps.step import run_step
        from ..steps.work import Workshop
        from .workplace import Setup, load_project, opened

        setup = Setup(**first)
        loaded = load_project(setup)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it is, the coordinator tells it
        what = str(error) if isinstance(error, AssetsError) else f"{type(error).__name__}: {error}"
        channel.sendall(framed({"refused": what}))
        return
    assets, library = {asset.key: asset for asset in loaded.assets}, ctypes.CDLL(None)

    def answer(document: Mapping[str, Any], workshop: Workshop) -> bytes:
        try:
            work = work_from_json(document, assets)
        except AssetsError as error:
            return framed(refusal_to_json(document, error))
        outcome = run_step(work, workshop)
        library.fflush(None)  # what libraries in C keep back was said by this step
        try:
            return framed(outcome_to_json(outcome))
        except AssetsError as error:
            return framed(refusal_to_json(document, OutputError(error.what, remedy=error.remedy)))

    with opened(setup, loaded.runtimes) as workshop:
        channel.sendall(framed({"ready": os.getpid()}))
        for document in _begun(messages, turns):
            channel.sendall(answer(document, workshop))


def _messages(channel: socket.socket) -> Iterator[dict[str, Any]]:
    frames = Frames()
    while data := channel.recv(_RECEIVED_BYTES):
        yield from frames.feed(data)


def _begun(messages: Iterator[dict[str, Any]], turns: int) -> Iterator[dict[str, Any]]:
    """Yield the steps whose number could be taken out of the pipe; the others have been taken back meanwhile."""
    turn: int | None = None
    for document in messages:
        if turn is None:
            with suppress(BlockingIOError):
                (turn,) = TURN.unpack(os.read(turns, TURN.size))
        if document["turn"] == turn:
            turn = None
            yield document


def _ignore(number: int, frame: FrameType | None) -> None:
    """Take a signal and do nothing; unlike one that is ignored, it is as before in processes started from here."""


def _end_with_parent(channel: socket.socket) -> None:
    """See to it that this process group ends when the other end of a channel is gone, however that came about."""

    def end(number: int = 0, frame: FrameType | None = None) -> None:  # noqa: ARG001  # the form of a signal handler
        os.killpg(os.getpid(), signal.SIGKILL)

    def watch() -> None:
        hang_up = select.poll()
        hang_up.register(channel.fileno(), 0)
        hang_up.poll()
        end()

    # While a step does not let other threads of Python run, a signal may still be heard (as by a regular expression).
    signal.signal(signal.SIGHUP, end)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)
    threading.Thread(target=watch, name="assets-parent", daemon=True).start()


if __name__ == "__main__":
    main()
