"""The port "the folder of published data": where files lie under their final names, and what the product asks of it.

Implemented by `local_folder.py` and `object_store.py`; opened here from what `assets.toml` says. A file's name is its
asset's key and the digest of its content: equal names have equal content, so storing one again harms nobody.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from ..errors import AssetsError, UserError

if TYPE_CHECKING:  # to look at files needs no data library
    import duckdb

    from .inputs import Input

Sign = list[int | str]
"""What tells a file from another that comes in its place: its size, then what the folder knows of it."""

Signs = dict[str, Sign]
"""The files of an asset by name, without the folder."""

Option = str | int | bool

STORED = re.compile(r"[0-9a-f]{64}\.parquet")
OWNER = ".assets-owner.json"
"""The file that says whose records the data of a shared folder belongs to."""
_PREFIX = re.compile(r"[A-Za-z0-9.=+,@~_/-]*")
_ENV = "env:"
OBJECT_SCHEMES = frozenset(("s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss"))
_SECRET = re.compile(r"secret|password|token|sas_|_sas|access_key|account_key|customer_key|bearer|credential|private")


class FileStat(NamedTuple):
    """What is known of a file without reading it; `modified` in seconds since 1970."""

    size_bytes: int
    modified: float
    sign: Sign


class DataFolder(Protocol):
    """Files by name, as `shop/sales/DIGEST.parquet`; each is there whole or not at all. Threads may share one."""

    def place(self, file: str) -> str:
        """Return the whole path or address of a file, for people and for `relation`."""
        ...

    def staging(self, local: Path) -> Path:
        """Return below which folder files have to be staged; `local` is the project's own."""
        ...

    def take(self, staged: Path, file: str) -> str:
        """Store a staged file, durable, under its final name; return a tag by which it is known again."""
        ...

    def put(self, content: memoryview, staged: Path, file: str) -> str:
        """Store some bytes likewise; `staged` is a path that may be used on the way."""
        ...

    def settle(self, stored: Mapping[str, tuple[int, str]]) -> None:
        """Make names durable, before any record speaks of them. Given are size and tag of each file."""
        ...

    def stats(self, files: Sequence[str]) -> list[FileStat | None]:
        """Return what is known of some files, None for each that is not there."""
        ...

    def missing(self, files: Sequence[str]) -> dict[str, str]:
        """Return which of some files may not be recorded, and why: asked while the journal is held, so in short."""
        ...

    def names(self) -> Iterable[str]:
        """Return every file of published data that is there, whether a record names it or not."""
        ...

    def remove(self, files: Sequence[str]) -> None:
        """Remove some files, where they are there."""
        ...

    def settle_removed(self, files: Sequence[str]) -> None:
        """Make it durable that some files were removed."""
        ...

    def wrong_with(self, file: str, version: str, digests: Collection[str]) -> str | None:
        """Return what is wrong with a file, None where it is as it was written (see `parquet_store.wrong_with`)."""
        ...

    def opened(self, files: Sequence[str], sizes: Sequence[int], columns: tuple[str, ...] | None) -> Input:
        """Return files that are there, to be read as one table with columns and rows pushed down."""
        ...

    def at_hand(self, file: str, scratch: Path) -> Path:
        """Return the path of a file of this machine: the file itself, or a copy below a folder.

        Raises: FileNotFoundError.
        """
        ...

    def relation(self, connection: duckdb.DuckDBPyConnection, places: Sequence[str]) -> duckdb.DuckDBPyRelation:
        """Return the rows of some files; columns are matched by name."""
        ...

    def glance(self, counts: Mapping[str, int]) -> Callable[[str], Signs]:
        """Return what tells the signs of the files of one of some assets; given is about how many files each has."""
        ...

    def is_as_written(self, sign: Sign, size_bytes: int, made_us: int) -> bool:
        """Return whether a file's sign alone says that it is the one that was recorded at a time, of a size."""
        ...

    def written(self) -> dict[str, Sign]:
        """Return the signs that files had when they were stored, of those stored since this was `noted`."""
        ...

    def noted(self) -> None:
        """Forget what `written` has returned."""
        ...

    def claim(self) -> None:
        """See to it that nobody else's records own the data here.

        Raises: UserError where they do.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return, as JSON, what another process opens the same folder from (see `described_folder`)."""
        ...


@dataclass(frozen=True, slots=True)
class Storage:
    """Where `assets.toml` says that published data lies. An option may be `env:NAME`, as may be the URL."""

    url: str
    options: Mapping[str, Option] = field(default_factory=dict)

    def wrong(self) -> tuple[str, str] | None:
        """Return what is wrong with the setting, and the remedy."""
        for name, value in self.options.items():
            if type(value) not in (str, int, bool):
                return f"[storage.options] {name} = {value!r}", "give a text, a number, true or false"
            if _SECRET.search(name.lower()) and not str(value).startswith(_ENV):
                return (
                    f"[storage.options] {name} is a secret, and {value!r:.1}... is written in a file",
                    f'leave it out, where the environment says it anyway, or write {name} = "env:NAME_OF_A_VARIABLE"',
                )
        return None if self.url.startswith(_ENV) else _wrong_url(self.url)

    def resolved(self) -> Storage:
        """Return the URL and the options with what the environment has in their places.

        Raises: UserError.
        """
        url = _from_environment("url", self.url)
        if (wrong := _wrong_url(str(url))) is not None:
            raise UserError(wrong[0], remedy=wrong[1])
        return Storage(str(url), {name: _from_environment(name, value) for name, value in self.options.items()})


def _wrong_url(url: str) -> tuple[str, str] | None:
    parts = urlsplit(url)
    shown = url if parts.password is None and not parts.query else f"{parts.scheme}://..."
    if parts.scheme not in OBJECT_SCHEMES | {"file"}:
        return f"[storage] url = {shown!r}", "give an s3://, gs://, az:// or abfss:// URL, or file:/// and a folder"
    if parts.password is not None or parts.query or parts.fragment:
        return f"[storage] url = {shown!r} holds more than a place", "give secrets by the environment"
    if parts.scheme == "file" and not (parts.path.startswith("/") and parts.netloc in ("", "localhost")):
        return f"[storage] url = {shown!r} names no folder", "write file:/// and the whole path"
    if parts.scheme != "file" and not parts.netloc:
        return f"[storage] url = {shown!r} names no bucket", f"write {parts.scheme}://BUCKET/PREFIX"
    if parts.scheme != "file" and not _PREFIX.fullmatch(parts.path):
        return f"[storage] url = {shown!r} has a prefix that libraries read differently", (
            "write it in letters, digits and .=+,@~_-, without a % or a space"
        )
    if ".." in unquote(parts.path).replace("\\", "/").split("/"):
        return f"[storage] url = {shown!r} goes up by ..", "write the place itself"
    return None


def _from_environment(name: str, value: Option) -> Option:
    if not (isinstance(value, str) and value.startswith(_ENV)):
        return value
    variable = value.removeprefix(_ENV)
    if not (found := os.environ.get(variable)):
        raise UserError(
            f"[storage] {name} = {value!r}: there is no variable {variable} in the environment",
            remedy=f"set {variable}, on every machine that reads or makes data",
        )
    return found


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose data it is: the project's name, and what tells its journal from any other: its first record, empty before
    there is one."""

    project: str
    journal: str

    def require(self, where: str, found: bytes | None, create: Callable[[bytes], None]) -> None:
        """Require that the owner named at a place is this one, or become it.

        Raises: UserError where it is another.
        """
        if found is None:
            if self.journal:
                create(json.dumps({"project": self.project, "journal": self.journal}).encode())
            return
        try:
            document = json.loads(found)
            name, journal = str(document["project"]), str(document["journal"])
        except (ValueError, TypeError, KeyError) as error:
            raise AssetsError(f"{where}/{OWNER} cannot be read: {error}", remedy="put it back, or remove it") from error
        if journal != self.journal:
            raise UserError(
                f"the data at {where} belongs to the records of another project, or of another copy of this one"
                f" ({name}; its first record is {journal[:12]})",
                remedy=f"give this one a [storage] url of its own; if the other is gone for good, remove {OWNER} there",
            )


def data_folder(storage: Storage | None, state: Path, owner: Callable[[], Owner]) -> DataFolder:
    """Return the folder of a project's published data; `state`: the folder of its records.

    Raises: UserError.
    """
    from .local_folder import LocalFolder

    if storage is None:
        return LocalFolder(state / "data")
    if (place := storage.resolved()).url.startswith("file:"):
        return LocalFolder(Path(unquote(urlsplit(place.url).path)), owner)
    from .object_store import ObjectFolder

    return ObjectFolder(storage, state / "outputs.written", owner)


def described_folder(description: Mapping[str, Any]) -> DataFolder:
    """Return the folder that `describe` described, perhaps on another machine.

    Raises: UserError.
    """
    if "folder" in description:
        from .local_folder import LocalFolder

        return LocalFolder(Path(description["folder"]))
    from .object_store import ObjectFolder

    return ObjectFolder(Storage(description["url"], description["options"]))
