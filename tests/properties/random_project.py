"""What is in a random project: its assets, constants and files, as values.

`project_text.py` writes one down as the texts of its files; `random_edits.py` draws and edits one. It must not know
what is fresh or stale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from naive_partitions import Reading, Scheme

COLUMNS = ("n", "m", "k", "j")
"""The columns of every frame, of which most readers use some; each counts by its weight."""
WEIGHTS = {"n": 1, "m": 2, "k": 3, "j": 5}
LIBRARY = "weather-of-random-projects"
"""A library that an asset may declare."""

Rows = tuple[tuple[int, ...], ...]


class Frame(NamedTuple):
    """The content of a cell: its columns in their order, and its rows."""

    columns: tuple[str, ...]
    rows: Rows


@dataclass(frozen=True)
class Input:
    """One upstream that is read: a parameter, or a table of a query.

    `columns` are declared, `uses` are those that are added up; `star`: a query reads them through a SELECT *.
    """

    name: str
    upstream: str
    reading: Reading = field(default_factory=Reading)
    columns: tuple[str, ...] | None = None
    hand_off: str = "pl.DataFrame"
    by_partition: bool = False
    weight: int = 1
    uses: tuple[str, ...] = COLUMNS
    star: bool = False
    optional: bool = False

    @property
    def used(self) -> tuple[str, ...]:
        """Return the columns that are added up: some of those that are handed over."""
        handed = COLUMNS if self.columns is None else tuple(sorted(self.columns, key=COLUMNS.index))
        return tuple(name for name in handed if name in self.uses) or handed


@dataclass(frozen=True)
class Asset:
    """One asset; `kind` is function, sql, sql_file or external.

    A made cell computes `base` from constant, inputs and place, lets the helper change it, fails where `base % 4` is
    `fails`, and holds the rows of `base // divisor`. `contract` is a limit to n, `check` a remainder that the total
    divided by 5 must not leave; both with their severity. `extra`: its frames have one column more. `bonus`: default
    of a parameter that is added. `opaque`: the query is one of which no columns are derived. `expires`: in
    hours. `tilt`: is added to the column j alone. `library`: its code counts the version of one.
    """

    key: str
    kind: str
    scheme: Scheme | None = None
    inputs: tuple[Input, ...] = ()
    after: tuple[str, ...] = ()
    constant: int = 0
    divisor: int = 1
    helper: str = ""
    uses_place: bool = False
    batch: bool = False
    form: str = "frame"
    fails: int | None = None
    contract: tuple[int, str] | None = None
    check: tuple[int, str] | None = None
    reader: bool = False
    extra: bool = False
    bonus: int | None = None
    opaque: bool = False
    tilt: int = 0
    expires: int | None = None
    library: bool = False

    @property
    def is_external(self) -> bool:
        return self.kind == "external"

    @property
    def path(self) -> str:
        return f"data/{self.key}.csv" if self.scheme is None else f"data/{self.key}/{{partition}}.csv"


@dataclass(frozen=True)
class Project:
    """A project: assets in the order of their making, the constants of the helpers, the rows (n, m, x) of each file.

    A file that is None is not there. `look` changes comments, docstrings, layout and owners, nothing else. `settings`
    are the values of the parameter `bonus` in assets.toml, `sets` the keys of dynamic partitions, `library` the version
    in which a library is installed. `now` decides where open ends are, if there are any.
    """

    assets: Mapping[str, Asset]
    factors: Mapping[str, int]
    files: Mapping[tuple[str, str | None], tuple[tuple[int, int, int], ...] | None]
    look: int = 0
    settings: Mapping[str, int] = field(default_factory=dict)
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    library: str = "1.0"
    now: datetime | None = None

    def made(self) -> Iterator[Asset]:
        return (asset for asset in self.assets.values() if not asset.is_external)


def csv_text(rows: tuple[tuple[int, int, int], ...]) -> str:
    """Return the rows of an external file as its text."""
    wide = ((n, m, *derived(n, m), x) for n, m, x in rows)
    return "".join(f"{','.join(map(str, row))}\n" for row in (("n", "m", "k", "j", "x"), *wide))


def derived(n: int, m: int) -> tuple[int, int]:
    """Return the columns k and j of a row of an external file."""
    return n % 3, m % 2
