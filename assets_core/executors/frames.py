"""JSON messages over a stream: each is text, with its length in bytes before it.

Used by `processes.py` and `worker.py`, the two ends of a socket pair.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import AssetsError

LIMIT_BYTES = 1 << 28
TURN = struct.Struct(">Q")
"""The number of a step, as it crosses beside the messages."""
_LENGTH = struct.Struct(">I")


def framed(document: Mapping[str, Any]) -> bytes:
    """Return a message as it crosses.

    Raises: AssetsError where it is too large, or holds what is no JSON value.
    """
    try:
        text = json.dumps(document, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise AssetsError(f"a message is no JSON: {error}", remedy="report JSON values") from error
    if len(text) > LIMIT_BYTES:
        raise AssetsError(
            f"a message has {len(text):,} bytes; {LIMIT_BYTES:,} are the most",
            remedy="make fewer partitions in one step, or report less about them",
        )
    return _LENGTH.pack(len(text)) + text


class Frames:
    """Takes a stream as it comes in and gives out its messages when they are whole."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Take some bytes and yield the messages that they complete.

        Raises: ValueError where the stream is none of messages.
        """
        self._received += data
        while len(self._received) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._received)
            if length > LIMIT_BYTES:
                raise ValueError(f"a message of {length:,} bytes is announced")
            end = _LENGTH.size + length
            if len(self._received) < end:
                return
            text = bytes(self._received[_LENGTH.size : end])
            del self._received[:end]
            yield json.loads(text)
