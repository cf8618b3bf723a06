"""One call, or one query, for a range of partitions: every cell of it is settled by itself.

Called by `step.py`. One bad partition is one failed cell; data of a partition that was not asked for fails them all.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping

from ..errors import OutputError
from ..model.keys import PartitionKey
from .failure import failed
from .given import called, require_unchanged_sources
from .partition_rows import rows_by_partition
from .saves import Saves
from .work import AtWork, CellOutcome

_END = object()


def batched_cells(at: AtWork) -> list[CellOutcome]:
    """Make the cells of a step with one call of the function, or with one query.

    Raises: OutputError where there is something of a partition that was not asked for; SourceChanged.
    """
    results = called(at)
    is_query = at.runtime.query is not None
    pairs = _of_query(at, results) if is_query else _of_function(results)
    try:
        with Saves(at, has_ended=is_query or isinstance(results, Mapping)) as saves:
            _settle(at, pairs, saves)
            cells = saves.outcomes()
    finally:
        if isinstance(pairs, Generator):  # at once, in this thread: it may hold things open
            pairs.close()
    require_unchanged_sources(at.work)
    return cells


def _settle(at: AtWork, pairs: Iterator[object], saves: Saves) -> None:
    work = at.work
    ordinals = {
        partition.key: ordinal
        for partition, ordinal in zip(work.partitions, work.ordinals, strict=True)
        if partition is not None
    }
    while True:
        try:
            pair = next(pairs, _END)
        except BaseException as error:  # noqa: BLE001  # a user's generator: what it did not yield has failed
            for ordinal in ordinals.values():
                saves.note(failed(work.asset, ordinal, error))
            return
        if pair is _END:
            break
        key, value = _require_pair(pair)
        if key not in ordinals:
            raise OutputError(
                f"the batched function returned a frame for {key!r}, which it was not asked for (again)",
                remedy="return one frame for each partition that it was given",
            )
        saves.add(ordinals.pop(key), value)
    for key, ordinal in ordinals.items():
        missing = OutputError(f"the batched function returned nothing for {key!r}")
        saves.note(failed(work.asset, ordinal, missing))


def _of_function(results: object) -> Iterator[object]:
    pairs = results.items() if isinstance(results, Mapping) else results
    if not isinstance(pairs, Iterable):
        raise OutputError(
            f"the batched function returned a {type(results).__name__}",
            remedy="return a dict from partition key to frame, or yield (key, frame) pairs",
        )
    return iter(pairs)


def _require_pair(pair: object) -> tuple[PartitionKey, object]:
    if isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str):
        return PartitionKey(pair[0]), pair[1]
    parts = f" of {', '.join(type(part).__name__ for part in pair)}" if isinstance(pair, tuple) else ""
    raise OutputError(
        f"the batched function gave a {type(pair).__name__}{parts} where a pair of a text and a frame belongs",
        remedy="yield (day.key, frame), or return {day.key: frame}",
    )


def _of_query(at: AtWork, relation: object) -> Iterator[object]:
    assert at.runtime.batch_column is not None  # noqa: S101  # every query in batches has one
    table = relation.to_arrow_table()  # type: ignore[attr-defined]  # what a query gives is a relation
    partitions = [partition for partition in at.work.partitions if partition is not None]
    tables = rows_by_partition(table, at.runtime.batch_column, partitions, at.work.asset.partitions)
    return iter([(partition.key, rows) for partition, rows in zip(partitions, tables, strict=True)])
