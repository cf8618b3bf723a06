"""The only place that opens DuckDB: read the index, bring it up to the journal, make it again, prove it.

The coordinator and every command that asks a question use it; it must not know what the questions are. Nobody holds
the file: open, do one unit of work, close. Whatever is wrong with the index is said in one line on stderr and repaired
from the journal, at most once a call.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from . import head
from .apply import SCHEMA_VERSION, apply, create_tables, position
from .durable import sync
from .errors import CatalogError, JournalDamaged, RecordsLost, disk_errors
from .locks import in_turn, patiently, wait_until_unlocked
from .records import Tail
from .segments import read, read_lines, refuse_loss, tail

STORAGE_VERSION = "v1.5.0"
"""Form of a new file: the oldest DuckDB that may read it."""

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
}


_VIEWS = "of views and macros by DuckDB"
_META = "SELECT count(*), coalesce(sum(hash(t)), 0) FROM (SELECT * EXCLUDE (library) FROM meta) AS t"
_DEFINITIONS = """
SELECT count(*), coalesce(sum(hash(d)), 0) FROM (
    SELECT view_name, sql FROM duckdb_views() WHERE database_name = 'catalog' AND NOT internal
    UNION ALL
    SELECT function_name, macro_definition FROM duckdb_functions() WHERE database_name = 'catalog' AND NOT internal
) AS d
"""


class _Unusable(Exception):
    """The index cannot be followed up; the text says why. It is made again from the journal."""


class Catalog:
    """The journal and its index in one `.assets` folder. Threads may share one; a forked child must not use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._journal = folder / "journal"
        self._index = folder / "catalog.duckdb"
        self._stamp = folder / "catalog.stamp"
        self._process = os.getpid()
        self._engines: list[duckdb.DuckDBPyConnection] = []

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a read-only connection to the index, as of the journal's end at this moment or later.

        Short use: meanwhile no record is applied. Of readers that wait together one brings the index up for all.

        Ask with `connection.sql(...)`, and fetch before the block ends. Blocks must not be nested in one another.

        *Raises* CatalogBusy, JournalDamaged, CatalogError.
        """
        with disk_errors(self._journal):
            wanted = tail(self._journal)
        with self._in_turn(exclusive=False):
            if self._reaches(wanted):
                with self._distrusting(), self._opened(self._index, read_only=True) as connection:
                    yield connection
                return
        self.refresh(wanted)
        with self._in_turn(exclusive=False), self._distrusting(), self._opened(self._index, read_only=True) as renewed:
            yield renewed

    @contextmanager
    def as_it_is(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a read-only connection to the index, wherever it stands: to look into what a damaged journal affects.

        *Raises* CatalogBusy, CatalogError where it cannot be opened.
        """
        with self._in_turn(exclusive=False):
            try:
                with self._opened(self._index, read_only=True) as connection:
                    yield connection
            except _Unusable as error:
                raise CatalogError(str(error), remedy="make it again: assets catalog rebuild") from error

    def refresh(self, wanted: Tail | None = None) -> int:
        """Apply to the index what the journal has gained; return the number of records applied.

        Where it is enough to have followed to the place `wanted`, and somebody else has seen to that, none are.

        *Raises* CatalogBusy, JournalDamaged, CatalogError.
        """
        with self._in_turn(exclusive=True):
            if wanted is not None and self._reaches(wanted):
                return 0
            try:
                return self._catch_up()
            except _Unusable as reason:
                sys.stderr.write(f"catalog: {self._index}: {reason}; making it again from the journal\n")
                return self._replace()

    def rebuild(self, *, accept_loss: bool = False) -> int:
        """Make the index again from the whole journal and put it in place of the present one; return the records.

        *Raises* also RecordsLost where the present one knows of records that the journal does not have, unless that
        loss was accepted.
        """
        with self._in_turn(exclusive=True):
            if not accept_loss:
                end, known = tail(self._journal), self._known()
                if known is not None:
                    refuse_loss(self._journal, end, known)
            return self._replace()

    def known(self) -> Tail | None:
        """Return the last record that the index knows of, whatever the journal has; None where it cannot be read."""
        with self._in_turn(exclusive=False):
            return self._known()

    def _known(self) -> Tail | None:
        try:
            if not self._index.exists():
                return None
            with self._opened(self._index, read_only=True) as connection:
                known = position(connection)
                if known is None:
                    return None
                with suppress(JournalDamaged):  # then it cannot be compared, and may well know more
                    if not self._is_ours(connection, known, tail(self._journal)):
                        return None
                return known
        except (duckdb.Error, _Unusable):
            return None

    def _is_ours(self, connection: duckdb.DuckDBPyConnection, applied: Tail, end: Tail) -> bool:
        """Return whether an index that is ahead of the journal was made from it: it knows the journal's last record.

        Else the index is what is wrong, such as one of another project, or with another's write-ahead log.
        """
        if end.seq == 0 or applied.seq <= end.seq:
            return True
        last = next(read(self._journal, end.seq - 1))
        question = 'SELECT kind, "at" = CAST($at AS TIMESTAMP) FROM record WHERE seq = $seq'
        rows = connection.sql(question, params={"seq": last.seq, "at": last.at}).fetchall()
        return rows == [(last.kind, True)]

    def verify(self) -> list[str]:
        """Return how the index differs from a replay of the journal.

        *Raises* JournalDamaged, CatalogBusy.
        """
        with self._in_turn(exclusive=False):
            if not self._index.exists():
                return ["it does not exist; the next command makes it"] if tail(self._journal).seq else []
            try:
                with self._opened(self._index, read_only=True) as connection:
                    applied = position(connection)
                    found = {} if applied is None else _fingerprints(connection)
            except (duckdb.Error, _Unusable) as error:
                return [f"it cannot be read: {_first_line(error)}"]
            return self._differences(applied, found)

    @property
    def _wal(self) -> Path:
        return self._index.with_name(f"{self._index.name}.wal")

    @contextmanager
    def _in_turn(self, *, exclusive: bool) -> Iterator[None]:
        if os.getpid() != self._process:
            raise CatalogError(
                f"process {os.getpid()} was forked from {self._process} and uses its catalog {self._folder}",
                remedy="start worker processes by spawning, and leave the catalog to the coordinator",
            )
        with disk_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            if not self._engines:  # now, rather than while others wait
                self._engines.append(_engine(self._index))
            with in_turn(self._folder / "catalog.lock", exclusive=exclusive):
                yield

    @contextmanager
    def _distrusting(self) -> Iterator[None]:
        """Where the index turns out damaged under a question, make sure that the next call looks at every block."""
        try:
            yield
        except (duckdb.Error, _Unusable) as error:
            if isinstance(error, duckdb.Error) and not _is_damage(error):
                raise
            self._stamp.unlink(missing_ok=True)
            raise CatalogError(
                f"{self._index} cannot be read: {_first_line(error)}",
                remedy="run again: the index is then made again from the journal",
            ) from error

    def _catch_up(self) -> int:
        noted = head.read(self._journal)
        end = tail(self._journal)
        if end.seq and (noted is None or noted.seq < end.seq):
            # Not known to be durable yet: or else a power cut could leave the index ahead of the journal.
            sync(self._journal / end.segment)
        if not self._index.exists():
            if end.seq:
                raise _Unusable("it is missing")
            return self._replace()
        is_as_left, has_log = self._stamp_text().startswith(self._file_text()), self._wal.exists()
        try:
            with self._opened(self._index, read_only=False) as connection:
                applied = position(connection)
                if applied is None:
                    raise _Unusable("it has tables of another version")
                if applied.seq > end.seq:
                    if is_as_left and has_log:
                        raise _Unusable(f"its write-ahead log is of another: it holds record {applied.seq}")
                    if self._is_ours(connection, applied, end):  # it may be the only witness of what is gone
                        refuse_loss(self._journal, end, applied)
                    raise _Unusable(f"it follows another journal: it holds record {applied.seq}, not {end.seq}")
                if applied.seq == end.seq and applied.digest != end.digest:
                    raise _Unusable(f"it follows another journal: record {end.seq} has another hash")
                if not is_as_left:
                    _fingerprints(connection)
                reached = apply(connection, read_lines(self._journal, applied))
        except duckdb.Error as error:
            raise _Unusable(f"it cannot be read or written ({_first_line(error)})") from error
        except RecordsLost:
            raise
        except JournalDamaged as damage:
            # Either it follows another journal or this one is damaged: then the replay says so.
            raise _Unusable(f"the journal does not continue it ({damage.what})") from damage
        self._write_stamp(reached)
        return reached.seq - applied.seq

    def _replace(self) -> int:
        for leftover in self._folder.glob(f"{self._index.name}.*.*"):  # of processes that died: nobody else is here
            leftover.unlink()
        with self._replay("new", None) as (fresh, reached):
            wait_until_unlocked(self._index)
            # In this order: a write-ahead log must never stand beside a file that it does not belong to.
            self._wal.unlink(missing_ok=True)
            fresh.replace(self._index)
        self._write_stamp(reached)
        return reached.seq

    @contextmanager
    def _replay(self, name: str, until: int | None) -> Iterator[tuple[Path, Tail]]:
        """Make a new index beside the present one from the records up to `until`; yield it and the place reached.

        What is left of it at the end is removed.
        """
        fresh = self._index.with_name(f"{self._index.name}.{name}.{os.getpid()}")
        leftovers = (fresh, fresh.with_name(f"{fresh.name}.wal"))
        lines = read_lines(self._journal)
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
        try:
            with self._opened(fresh, read_only=False) as connection:
                create_tables(connection)
                reached = apply(connection, lines if until is None else (line for line in lines if line.seq <= until))
            yield fresh, reached
        except (duckdb.OperationalError, duckdb.FatalException, _Unusable) as error:
            raise CatalogError(
                f"{fresh} cannot be made from the journal: {_first_line(error)}",
                remedy="see to the disk (space, permissions, health), then run again: the journal is intact",
            ) from error
        finally:
            for leftover in leftovers:
                leftover.unlink(missing_ok=True)

    def _differences(self, applied: Tail | None, found: dict[str, tuple[int, int]]) -> list[str]:
        if applied is None:
            return ["it has tables of another version; the next command makes it again"]
        end = tail(self._journal)
        if applied.seq > end.seq:
            return [f"it holds record {applied.seq}, the journal ends with record {end.seq}"]
        with self._replay("verify", applied.seq) as (replay, _), self._opened(replay, read_only=True) as connection:
            expected = _fingerprints(connection)
        return [
            f"table {table} is not what the journal gives ({found.get(table, (0, 0))[0]} rows, "
            f"not the {rows} rows of a replay or not with the same values)"
            for table, (rows, hashes) in expected.items()
            if found.get(table) != (rows, hashes) and (table in found or not table.startswith(_VIEWS))
        ]

    @contextmanager
    def _opened(self, file: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open one file. Attached, not connected to: detaching lets go of it even where a result was left unread."""
        engine = self._engines.pop() if self._engines and file == self._index else _engine(file)
        quoted = str(file.absolute()).replace("'", "''")
        options = "READ_ONLY" if read_only else f"STORAGE_VERSION '{STORAGE_VERSION}'"

        def attach() -> str | None:
            try:
                engine.execute(f"ATTACH '{quoted}' AS catalog ({options})")  # DuckDB 1.5 binds nothing here
            except duckdb.Error as error:
                if "Unique file handle conflict" in str(error):
                    return f"this process has {file} open by other means"
                if "Could not set lock on file" not in str(error):
                    raise _Unusable(f"it cannot be opened ({_first_line(error)})") from error
                holder = re.search(r"\(PID \d+\)", str(error))
                return f"another process {holder[0] if holder else ''} has {file} open"
            return None

        try:
            patiently(attach)
            engine.execute("USE catalog")
            try:
                yield engine
            except BaseException:
                with suppress(duckdb.Error):
                    _detach(engine)
                raise
            _detach(engine)
        except BaseException:
            engine.close()
            raise
        if read_only and file == self._index:
            self._engines.append(engine)
        else:
            engine.close()  # with the temporary tables of whoever wrote

    def _reaches(self, wanted: Tail) -> bool:
        """Whether the index needs no repair and has followed the journal to a place; told without opening it."""
        noted, file = self._stamp_text(), self._file_text()
        if not noted.startswith(file) or self._wal.exists():
            return False
        place = noted.removeprefix(file)
        if place == _place_text(wanted):
            return True
        schema, _, rest = place.partition(" ")
        seq = rest.partition(" ")[0]
        if schema != SCHEMA_VERSION or not seq.isdecimal():
            return False
        # Ahead of that place it may be only where the journal has grown meanwhile.
        return wanted.seq < int(seq) <= tail(self._journal).seq

    def _stamp_text(self) -> str:
        """Return what was noted when this class last closed the index: which file, and how far it followed."""
        try:
            return self._stamp.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _write_stamp(self, applied: Tail) -> None:
        with suppress(OSError):  # without a stamp the next call looks at every block
            self._stamp.unlink(missing_ok=True)
            if not self._wal.exists():  # or else what it holds is not in the file yet
                self._stamp.write_text(self._file_text() + _place_text(applied))

    def _file_text(self) -> str:
        """Return what tells whether another program wrote to the file: then every block is read before it is used."""
        try:
            found = self._index.stat()
        except FileNotFoundError:
            return "no file\n"
        return f"{found.st_ino} {found.st_size} {found.st_ctime_ns}\n"


def _place_text(place: Tail) -> str:
    return f"{SCHEMA_VERSION} {place.seq} {place.digest.hex()}\n"


def _engine(file: Path) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB that has nothing open, and can open only one file, with the logs that it writes beside it."""
    engine = duckdb.connect(":memory:", config=_SETTINGS)
    name, mark, rest = str(file.absolute()).partition(
        "?"
    )  # behind such a mark DuckDB expects options, and puts no ending
    paths = [f"{name}{log}{mark}{rest}" for log in ("", ".wal", ".wal.checkpoint", ".wal.recovery")]
    engine.execute("SET allowed_paths = $paths", {"paths": paths})
    engine.execute("SET enable_external_access = false")
    return engine


def _detach(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("USE memory")
    connection.execute("DETACH catalog")


def _fingerprints(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int]]:
    """Return for each table its number of rows and a sum of their hashes: reads every block, and knows no order.

    Views and macros, too, where this version of DuckDB made them: each keeps their text in another form.
    """
    tables = connection.sql("SELECT table_name FROM duckdb_tables() WHERE database_name = 'catalog'").fetchall()
    found = {}
    for (table,) in tables:
        quoted = table.replace('"', '""')
        ((rows, hashes),) = connection.sql(
            f'SELECT count(*), coalesce(sum(hash(t)), 0) FROM "{quoted}" AS t' if table != "meta" else _META
        ).fetchall()
        found[table] = (rows, hashes)
    for (library,) in connection.sql("SELECT library FROM meta").fetchall():
        ((count, hashes),) = connection.sql(_DEFINITIONS).fetchall()
        found[f"{_VIEWS} {library}"] = (count, hashes)
    return found


def _is_damage(error: duckdb.Error) -> bool:
    """Whether DuckDB says that the file is not as it was left, rather than that the question is wrong.

    A block whose checksum does not fit raises no class of its own, but the root of them all.
    """
    return type(error) is duckdb.Error or isinstance(
        error, (duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
