"""Where backups lie: a folder, or a bucket of an object store. Six methods over names, sizes and bytes.

Used by backup.py and restore.py. It must not know what the files are.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from catalog.errors import disk_errors

from ..errors import AssetsError, UserError
from ..io.local_folder import make_durable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore

_CHUNK_BYTES = 1 << 20
_DRAFT = ".new"
_SCHEMES = frozenset(("s3", "s3a", "gs", "az", "azure", "abfs", "abfss"))


class Destination(Protocol):
    """Named files; a file is there whole or not at all. Threads may share one."""

    def sizes(self) -> Mapping[str, int]:
        """Return every file with its size."""
        ...

    def put(self, name: str, source: Path) -> None:
        """Store the content of a file, in place of what has the name now."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Store some bytes, in place of what has the name now."""
        ...

    def write_new(self, name: str, content: bytes) -> None:
        """Store some bytes under a name that no file has.

        Raises: UserError where one has it, be it since a moment ago.
        """
        ...

    def read(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file in parts."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file."""
        ...


def destination(text: str) -> Destination:
    """Return the folder or bucket that a path or a URL names.

    Raises: UserError for a URL that cannot be used, or where the library for object stores is missing.
    """
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Folder(Path(text).expanduser().absolute())
    if scheme == "file":
        return Folder(Path(unquote(urlsplit(text).path)))
    if scheme not in _SCHEMES:
        raise UserError(f"{text!r} names no place for backups", remedy="give a folder, or an s3://, gs:// or az:// URL")
    return Bucket(text)


class Folder:
    """A folder of this machine; what was stored is durable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def sizes(self) -> Mapping[str, int]:
        with disk_errors(self._folder):
            files = [path for path in self._folder.rglob("*") if path.is_file() and path.suffix != _DRAFT]
            return {path.relative_to(self._folder).as_posix(): path.stat().st_size for path in files}

    def put(self, name: str, source: Path) -> None:
        with disk_errors(self._folder), self._draft(name) as draft:
            shutil.copyfile(source, draft)
            make_durable(draft)
            draft.replace(self._folder / name)

    def write(self, name: str, content: bytes) -> None:
        with disk_errors(self._folder), self._draft(name) as draft:
            draft.write_bytes(content)
            make_durable(draft)
            draft.replace(self._folder / name)

    def write_new(self, name: str, content: bytes) -> None:
        with disk_errors(self._folder), self._draft(name) as draft:
            draft.write_bytes(content)
            make_durable(draft)
            try:
                os.link(draft, self._folder / name)
            except FileExistsError:
                raise _is_there(self, name) from None
            draft.unlink()

    @contextmanager
    def _draft(self, name: str) -> Iterator[Path]:
        """Yield the place to write a file at before it gets its name; see to it that the name is durable after."""
        folder = (self._folder / name).parent
        new = [part for part in (folder, *folder.parents) if not part.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        yield self._folder / f"{name}{_DRAFT}"
        for changed in (folder, *(part.parent for part in new)):
            make_durable(changed)

    def read(self, name: str) -> Iterator[bytes]:
        with disk_errors(self._folder / name), (self._folder / name).open("rb", buffering=0) as file:
            while part := file.read(_CHUNK_BYTES):
                yield part

    def remove(self, name: str) -> None:
        with disk_errors(self._folder):
            (self._folder / name).unlink(missing_ok=True)


class Bucket:
    """A prefix in a bucket. Endpoint, region and credentials are those of the environment, as AWS_ENDPOINT_URL."""

    def __init__(self, url: str) -> None:
        try:
            from obstore import store
        except ImportError:
            raise UserError(
                f"{url} is in an object store, and the library for those is not installed",
                remedy="pip install 'assets-core[object-stores]'",
            ) from None
        options: ClientConfig = {}
        if os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):
            options["allow_http"] = True
        self._url = url
        with self._errors(url):
            self._store: ObjectStore = store.from_url(url, client_options=options)

    def __str__(self) -> str:
        return self._url

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        from obstore import exceptions

        try:
            yield
        except exceptions.AlreadyExistsError:
            raise _is_there(self, name) from None
        except (exceptions.BaseError, OSError) as error:
            raise AssetsError(
                f"{self._url}: {name}: {str(error).partition(chr(10))[0]}",
                remedy="see to the address, the credentials in the environment and the network, then run again",
            ) from error

    def sizes(self) -> Mapping[str, int]:
        import obstore

        with self._errors("its list of files"):
            return {meta["path"]: meta["size"] for group in obstore.list(self._store) for meta in group}

    def put(self, name: str, source: Path) -> None:
        import obstore

        with self._errors(name):
            obstore.put(self._store, name, source)

    def write(self, name: str, content: bytes) -> None:
        import obstore

        with self._errors(name):
            obstore.put(self._store, name, content)

    def write_new(self, name: str, content: bytes) -> None:
        import obstore

        with self._errors(name):
            obstore.put(self._store, name, content, mode="create")

    def read(self, name: str) -> Iterator[bytes]:
        import obstore

        with self._errors(name):
            for part in obstore.get(self._store, name).stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(part)

    def remove(self, name: str) -> None:
        import obstore
        from obstore import exceptions

        with self._errors(name), suppress(exceptions.NotFoundError):
            obstore.delete(self._store, name)


def _is_there(place: Destination, name: str) -> UserError:
    return UserError(f"{place}: {name} is there already", remedy="run again: it then counts as what is there")
