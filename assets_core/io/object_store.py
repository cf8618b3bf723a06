"""Published data in an object store: S3 and what speaks like it, Google Cloud Storage, Azure.

An object appears whole or not at all. Its size and its entity tag tell whether it is the one that was stored: the tag
comes from the store when it is put, and is noted by the process that records it. Staging is a folder of the machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import AssetsError
from .data_folder import OWNER, STORED, FileStat, Owner, Sign, Signs, Storage
from .object_store_connection import Connection

if TYPE_CHECKING:
    import duckdb
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

    from .inputs import Input

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 16
"""Requests at the same time."""
_LISTED_AT_LEAST = 32
"""From so many files of one asset on, they are listed, a thousand a request, instead of asked for one by one."""
_A_PAGE = 1000
_PART_BYTES = 16 << 20
"""What is larger is put in parts of this size, at most eight at a time."""
_CHUNK_BYTES = 1 << 20
_NAME = re.compile(rf"(?:[A-Za-z_][A-Za-z0-9_]*/)+{STORED.pattern}")


class ObjectFolder:
    """The objects below a URL. `note`: where tags of what was stored are noted; `owner`: whose data it is."""

    def __init__(self, storage: Storage, note: Path | None = None, owner: Callable[[], Owner] | None = None) -> None:
        self._storage = storage
        self._note = note
        self._noted_bytes = 0
        self._owner = owner
        self._is_claimed = False
        self.connection = Connection(storage.resolved())

    def __str__(self) -> str:
        return self.connection.url

    # Storing

    def place(self, file: str) -> str:
        return f"{self.connection.url}/{file}"

    def staging(self, local: Path) -> Path:
        return local

    def take(self, staged: Path, file: str) -> str:
        tag = self._put(staged, file, staged.stat().st_size)
        staged.unlink()
        return tag

    def put(self, content: memoryview, staged: Path, file: str) -> str:
        del staged
        return self._put(content, file, len(content))

    def _put(self, content: Path | memoryview, file: str, size_bytes: int) -> str:
        store = self.connection.store
        import obstore

        _require_name(file)
        with self.connection.errors(f"{file} could not be stored"):
            done = obstore.put(
                store,
                file,
                content,
                use_multipart=size_bytes > _PART_BYTES,
                chunk_size=_PART_BYTES,
                max_concurrency=8,
            )
        return done["e_tag"] or ""

    def settle(self, stored: Mapping[str, tuple[int, str]]) -> None:
        """An object that was put is durable. What it is known by is noted; should that be lost, it is read again."""
        if not stored:
            return
        self.claim()
        if self._note is not None:
            lines = [json.dumps([file, size_bytes, tag]) for file, (size_bytes, tag) in stored.items() if tag]
            with self._note.open("a", encoding="utf-8") as note:
                note.writelines(f"{line}\n" for line in lines)

    def missing(self, files: Sequence[str]) -> dict[str, str]:
        try:
            stats = self._heads(self.connection.quick, files)
        except AssetsError as error:
            return dict.fromkeys(files, f"it cannot be told whether its file is there: {error}")
        return {
            file: f"its file {file} was removed before it was published: make it again"
            for file, stat in zip(files, stats, strict=True)
            if stat is None
        }

    def remove(self, files: Sequence[str]) -> None:
        store = self.connection.store
        import obstore

        if not files:
            return
        for file in files:
            _require_name(file)
        with self.connection.errors("objects could not be removed"):
            obstore.delete(store, list(files))  # of what is not there, nothing is said

    def settle_removed(self, files: Sequence[str]) -> None:
        """What was removed is gone."""

    def claim(self) -> None:
        store = self.connection.store
        import obstore
        from obstore import exceptions

        if self._owner is None or self._is_claimed:
            return

        def create(content: bytes) -> None:
            try:
                obstore.put(store, OWNER, content, mode="create")
            except exceptions.AlreadyExistsError:
                self.claim()

        with self.connection.errors(OWNER):
            try:
                found = bytes(obstore.get(store, OWNER).bytes())
            except FileNotFoundError:
                found = None
            owner = self._owner()
            owner.require(self.connection.url, found, create)
        self._is_claimed = bool(owner.journal)

    # Looking

    def stats(self, files: Sequence[str]) -> list[FileStat | None]:
        by_folder: dict[str, set[str]] = {}
        for file in files:
            by_folder.setdefault(file.rpartition("/")[0], set()).add(file)
        known: dict[str, FileStat | None] = {}
        large = [folder for folder, members in by_folder.items() if len(members) >= _LISTED_AT_LEAST]
        for folder, metas in zip(large, at_once(self._listed, large), strict=True):
            there = {meta["path"]: _stat_of(meta) for meta in metas}
            known.update({file: there.get(file) for file in by_folder[folder]})
        single = [file for file in dict.fromkeys(files) if file not in known]
        known.update(zip(single, self._heads(self.connection.store, single), strict=True))
        return [known[file] for file in files]

    def _heads(self, store: ObjectStore, files: Sequence[str]) -> list[FileStat | None]:
        import obstore

        def head(file: str) -> FileStat | None:
            if _NAME.fullmatch(file) is None:
                return None  # nothing is stored under such a name
            try:
                with self.connection.errors(file):
                    return _stat_of(obstore.head(store, file))
            except FileNotFoundError:
                return None

        return at_once(head, files)

    def _listed(self, folder: str) -> list[ObjectMeta]:
        """Return the objects of one asset, without those of assets whose keys are longer."""
        store = self.connection.store
        import obstore

        with self.connection.errors(f"{folder} could not be listed"):
            return list(obstore.list_with_delimiter(store, folder)["objects"])

    def _all(self) -> Iterator[ObjectMeta]:
        store = self.connection.store
        import obstore

        with self.connection.errors("it could not be listed"):
            for page in obstore.list(store, chunk_size=_A_PAGE):
                yield from page

    def names(self) -> Iterable[str]:
        return (meta["path"] for meta in self._all() if _NAME.fullmatch(meta["path"]))

    def glance(self, counts: Mapping[str, int]) -> Callable[[str], Signs]:
        """Few requests: of everything there is, page by page, or at the same time of each asset, if they are large."""
        found: dict[str, Signs] = {}
        if sum(counts.values()) / _A_PAGE > len(counts) / _AT_ONCE:
            assets = list(counts)
            pages: Iterable[Iterable[ObjectMeta]] = at_once(self._listed, assets)
        else:
            pages = [self._all()] if counts else []
        for page in pages:
            for meta in page:
                asset, _, name = meta["path"].rpartition("/")
                if asset in counts:
                    found.setdefault(asset, {})[name] = _sign_of(meta)
        return lambda asset: found.get(asset, {})

    def is_as_written(self, sign: Sign, size_bytes: int, made_us: int) -> bool:
        """No time says so: the store's clock is another, and counts seconds only."""
        del sign, size_bytes, made_us
        return False

    def written(self) -> dict[str, Sign]:
        found: dict[str, Sign] = {}
        try:
            content = b"" if self._note is None else self._note.read_bytes()
        except OSError:
            return {}
        self._noted_bytes = len(content)
        for line in content.split(b"\n")[:-1]:
            try:
                file, size_bytes, tag = json.loads(line)
            except ValueError:
                continue
            found[file] = [size_bytes, tag]
        return found

    def noted(self) -> None:
        """Forget it only where no run has added to it since: what is noted twice harms nobody."""
        if self._note is not None and self._note.exists() and self._note.stat().st_size == self._noted_bytes:
            self._note.unlink(missing_ok=True)

    def wrong_with(self, file: str, version: str, digests: Collection[str]) -> str | None:
        import pyarrow as pa
        from blake3 import blake3

        from .object_store_input import opened_object
        from .parquet_store import DIGEST_BYTES, version_of

        if _NAME.fullmatch(file) is None:
            return f"{file!r} is no name of published data"
        try:
            if digests:
                hasher = blake3()
                for part in self.parts(file):
                    hasher.update(part)
                found = hasher.hexdigest(DIGEST_BYTES)
                return None if found in digests else "its bytes are not those that were written"
            (stat,) = self.stats([file])
            if stat is None:
                return "the file is missing"
            content = version_of(opened_object(self, file, stat.size_bytes)).digest
        except FileNotFoundError:
            return "the file is missing"
        except (ValueError, pa.ArrowException) as error:
            return f"the file cannot be read: {error}"
        return None if content == version else f"the content is {content[:12]}, not {version[:12]}"

    # Reading

    def parts(self, file: str) -> Iterator[bytes]:
        """Yield the content of a file in parts.

        Raises: FileNotFoundError.
        """
        store = self.connection.store
        import obstore

        _require_name(file)
        with self.connection.errors(file):
            for part in obstore.get(store, file).stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(part)

    def whole(self, file: str) -> bytes:
        """Return the content of a file.

        Raises: FileNotFoundError.
        """
        store = self.connection.store
        import obstore

        _require_name(file)
        with self.connection.errors(file):
            return bytes(obstore.get(store, file).bytes())

    def range(self, file: str, start: int, length: int) -> bytes:
        """Return some bytes of a file.

        Raises: FileNotFoundError.
        """
        store = self.connection.store
        import obstore

        _require_name(file)
        with self.connection.errors(file):
            return bytes(obstore.get_range(store, file, start=start, length=length))

    def opened(self, files: Sequence[str], sizes: Sequence[int], columns: tuple[str, ...] | None) -> Input:
        from .object_store_input import ObjectInput

        return ObjectInput(self, tuple(files), tuple(sizes), columns)

    def at_hand(self, file: str, scratch: Path) -> Path:
        _require_name(file)
        copy = scratch / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            with copy.open("wb") as target:
                target.writelines(self.parts(file))
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
        return copy

    def relation(self, connection: duckdb.DuckDBPyConnection, places: Sequence[str]) -> duckdb.DuckDBPyRelation:
        files = [place.removeprefix(f"{self.connection.url}/") for place in places]
        sizes = [0 if stat is None else stat.size_bytes for stat in self.stats(files)]
        return connection.from_arrow(self.opened(files, sizes, None).scannable())

    def describe(self) -> dict[str, Any]:
        return {"url": self._storage.url, "options": dict(self._storage.options)}


def _require_name(file: str) -> None:
    """Refuse what could mean another place: stores do not agree on what `..`, `%2e` or a backslash is."""
    if _NAME.fullmatch(file) is None:
        raise AssetsError(
            f"{file!r} is no name of published data", remedy="see what is wrong with the records: assets audit verify"
        )


def _stat_of(meta: ObjectMeta) -> FileStat:
    return FileStat(meta["size"], meta["last_modified"].timestamp(), _sign_of(meta))


def _sign_of(meta: ObjectMeta) -> Sign:
    return [meta["size"], meta["e_tag"] or meta["last_modified"].isoformat()]


def at_once(ask: Callable[[T], R], them: Sequence[T]) -> list[R]:
    if len(them) < 2:
        return [ask(one) for one in them]
    with ThreadPoolExecutor(min(_AT_ONCE, len(them))) as pool:
        return list(pool.map(ask, them))
