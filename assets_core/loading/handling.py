"""Read how the cells of an asset are to be run, as a declaration says it.

Called by `builder.py`. It must not know what is run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..declare import Handled, Retries
from ..errors import UserError, did_you_mean
from ..model.handling import EXECUTORS, Handling, Retrying
from .durations import seconds_of

_UNITS = {"KB": 1_000, "MB": 1_000**2, "GB": 1_000**3, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]i?B)", re.ASCII | re.IGNORECASE)


def read_handling(given: Mapping[str, object], pools: Mapping[str, int]) -> Handling:
    """Return what a declaration says; `pools`: the slots of each pool of the project.

    Raises: UserError.
    """
    for name in given:
        if name not in Handled.__annotations__:
            near = did_you_mean(name, Handled.__annotations__)
            raise UserError(f"there is no {name}={near}", remedy=f"use {', '.join(Handled.__annotations__)}")
    executor, pool = given.get("executor"), given.get("pool")
    if executor is not None and executor not in EXECUTORS:
        raise UserError(
            f"executor={executor!r}{did_you_mean(str(executor), EXECUTORS)}", remedy=f"use {', '.join(EXECUTORS)}"
        )
    if pool is not None and pool not in pools:
        raise UserError(
            f"there is no pool {pool!r}{did_you_mean(str(pool), pools)}",
            remedy=f"write its number of slots into assets.toml: [pools] {pool} = 2",
        )
    weight = _whole("weight", given.get("weight", 1))
    if pool is None and "weight" in given:
        raise UserError(f"weight={weight} without a pool", remedy="name the pool whose slots it takes: pool=...")
    if isinstance(pool, str) and weight > pools[pool]:
        raise UserError(
            f"weight={weight}, but pool {pool!r} has {pools[pool]} slots", remedy="such a step could never start"
        )
    timeout, concurrency = given.get("timeout"), given.get("concurrency")
    return Handling(
        executor=None if executor is None else str(executor),
        timeout_seconds=None if timeout is None else seconds_of("timeout", timeout),
        memory_bytes=_size("memory", given["memory"]) if "memory" in given else None,
        retrying=_retrying(given.get("retries", 0)),
        pool=None if pool is None else str(pool),
        weight=weight,
        concurrency=None if concurrency is None else _whole("concurrency", concurrency),
        priority=_whole("priority", given.get("priority", 0), least=None),
    )


def _retrying(retries: object) -> Retrying:
    if not isinstance(retries, Retries):
        return Retrying(_whole("retries", retries, least=0))
    names = [kind if isinstance(kind, str) else getattr(kind, "__name__", None) for kind in _listed(retries.on)]
    if not all(isinstance(name, str) and name for name in names):
        raise UserError(f"on={retries.on!r}", remedy='name exceptions, as in on=[ConnectionError, "Timeout"]')
    return Retrying(
        _whole("retries", retries.limit, least=0),
        seconds_of("wait", retries.wait),
        seconds_of("longest", retries.longest),
        tuple(str(name) for name in names),
    )


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [None]


def _whole(name: str, value: object, *, least: int | None = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        wanted = "a whole number" if least is None else f"a whole number from {least}"
        raise UserError(f"{name}={value!r}", remedy=f"give {wanted}")
    return value


def _size(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise UserError(f"{name}={value!r}", remedy='give bytes, or a text such as "500 MB" or "2 GB"')
    return int(float(found[1]) * _UNITS[found[2].upper()])
