"""Make an `async def` of a project a function that can be called like any other: in an event loop of its own.

Called by `builder.py` and `build.py`, so that steps and checks know nothing of it. When the call ends, whatever way,
tasks that are still pending are cancelled and the loop is closed.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator


def synchronous(function: Callable[..., object]) -> Callable[..., object]:
    """Return a function that awaits what this one returns, where that can be awaited; else it is as it was.

    What an async generator yields can be iterated over.
    """

    @functools.wraps(function)
    def call(*arguments: object, **named: object) -> object:
        result = function(*arguments, **named)
        if isinstance(result, Awaitable):
            with asyncio.Runner() as runner:
                result = runner.run(_awaited(result))
        return _iterated(result) if isinstance(result, AsyncIterator) else result

    return call


async def _awaited(result: Awaitable[object]) -> object:
    return await result


class _Ended(Exception):
    """There is nothing more to come."""


def _iterated(values: AsyncIterator[object]) -> Iterator[object]:
    """Yield what an async iterator gives: it runs as one task, which may hold open what it opened, until it ends."""
    arrived: asyncio.Queue[tuple[object, BaseException | None]] = asyncio.Queue()
    taken = asyncio.Semaphore(0)

    async def gather() -> None:
        try:
            async for value in values:
                arrived.put_nowait((value, None))
                await taken.acquire()
        except BaseException as error:  # noqa: BLE001  # whatever it is, who iterates has to hear of it
            arrived.put_nowait((None, error))
        else:
            arrived.put_nowait((None, _Ended()))

    async def begin() -> asyncio.Task[None]:
        return asyncio.create_task(gather())

    async def following() -> tuple[object, BaseException | None]:
        pair = await arrived.get()
        taken.release()
        return pair

    with asyncio.Runner() as runner:
        running = runner.run(begin())  # held, or the loop would let go of it
        while True:
            value, error = runner.run(following())
            if isinstance(error, _Ended):
                break
            if error is not None:
                raise error
            yield value
        del running
