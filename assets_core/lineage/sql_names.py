"""What a name in a query can refer to, level by level outwards, and which new columns could take its place.

Used by `sql_reads.py` alone. A name that can mean several things means all of them. It knows nothing of SQL syntax.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Reads = frozenset[tuple[str, str]]


class NotUnderstood(Exception):
    """The query has something of which the columns cannot be told."""


@dataclass(frozen=True, slots=True)
class Named:
    """Columns that stand for a table or a query: each with its name in lower case and what is read when it is used.

    What a query reads in any case is noted when the query is; so only columns that pass through have something here.
    `grows`: the tables of which a new column would be one here. `is_whole`: the engine names none.
    """

    columns: tuple[tuple[str, Reads], ...]
    grows: frozenset[str] = frozenset()
    is_whole: bool = True

    @property
    def has_each_once(self) -> bool:
        """Tell whether each column goes by a name that is known: the engine renames those that come again."""
        return self.is_whole and len({word for word, _ in self.columns}) == len(self.columns)

    def find(self, word: str) -> Reads | None:
        found = [reads for name, reads in self.columns if name == word]
        return frozenset().union(*found) if found else None

    def beside(self, other: Named) -> Named:
        return Named((*self.columns, *other.columns), self.grows | other.grows, self.is_whole and other.is_whole)


@dataclass(slots=True)
class Notes:
    """What has come to light: columns by table; tables whose schema matters; tables of which everything is read."""

    columns: set[tuple[str, str]] = field(default_factory=set)
    with_schema: set[str] = field(default_factory=set)
    everything: set[str] = field(default_factory=set)

    def take(self, named: Named) -> None:
        """Note that all columns are used, those added later too."""
        for _, reads in named.columns:
            self.columns |= reads
        self.everything |= named.grows


@dataclass(slots=True)
class Source:
    """What stands in FROM; `path` is what may stand before a column's name. Not `is_sure`: a name may look past it."""

    path: tuple[str, ...]
    named: Named
    is_sure: bool = True


@dataclass(slots=True)
class Level:
    """The names of one SELECT, or of a lambda. `queries`: the visible common table expressions."""

    outer: Level | None
    queries: Mapping[str, Named]
    sources: list[Source] = field(default_factory=list)
    aliases: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()

    def inner(self, parameters: Iterable[str] = ()) -> Level:
        """Return the level of a query or a lambda inside of this one."""
        return Level(self, self.queries, parameters=frozenset(word.lower() for word in parameters))

    def beside(self) -> Level:
        """Return the level around a query in FROM: it may, or may not, see what stands before it there."""
        seen = [Source(source.path, source.named, is_sure=False) for source in self.sources]
        return Level(self.outer, self.queries, seen, self.aliases, self.parameters)

    def growing(self) -> frozenset[str]:
        return frozenset().union(*(source.named.grows for source in self.sources))

    def starred(self, path: tuple[str, ...]) -> list[Source]:
        """Return the sources that `*`, or `path.*`, stands for."""
        for level in self._outwards():
            found = [source for source in level.sources if not path or source.path[-len(path) :] == path]
            if found:
                return found
        raise NotUnderstood

    def _outwards(self) -> Iterator[Level]:
        level: Level | None = self
        while level is not None:
            yield level
            level = level.outer

    def note(self, name: Sequence[str], notes: Notes) -> bool:
        """Note what a dotted name reads, and where a new column could take its place; tell whether it was found.

        The engine looks for `table.column`, then for a column of a source or an alias, then for the name of a source (a
        whole row), and all of it in the innermost query first.
        """
        words = tuple(word.lower() for word in name)
        is_found = False
        for level in self._outwards():
            if words[0] in level.parameters or words[0] in level.aliases:
                notes.with_schema |= level.growing()
                is_found = True
            as_path = level._of_paths(words, notes)
            if as_path:
                notes.with_schema |= level.growing() if len(words) > 2 else frozenset()
                return True
            as_column = level._of_columns(words, notes)
            if as_column:
                return True
            is_row = as_path is None and level._of_rows(words, notes)
            is_found = is_found or is_row or (as_path, as_column) != (None, None)
        return is_found

    def _of_paths(self, words: tuple[str, ...], notes: Notes) -> bool | None:
        """Note what the name reads as `table.column`; None where it is not found, True where it surely is one."""
        is_sure: bool | None = None
        for source in self.sources:
            for length in range(1, len(words)):
                if source.path[-length:] != words[:length]:
                    continue
                if (reads := source.named.find(words[length])) is not None:
                    notes.columns |= reads
                    is_sure = is_sure or source.is_sure
        return is_sure

    def _of_columns(self, words: tuple[str, ...], notes: Notes) -> bool | None:
        """Note what the name reads as a column; None where it is not found, True where it surely is one.

        Of a longer name it is not sure: where the column has no such field, the engine goes on to look outside.
        """
        is_sure: bool | None = None
        for source in self.sources:
            if (reads := source.named.find(words[0])) is None:
                notes.with_schema |= source.named.grows
            else:
                notes.columns |= reads
                is_sure = is_sure or (source.is_sure and len(words) == 1)
        return is_sure

    def _of_rows(self, words: tuple[str, ...], notes: Notes) -> bool:
        """Note what the name reads as a whole row, or as a column that the engine has named; tell whether it may."""
        found = [s for s in self.sources if not s.named.is_whole or s.path[-1:] == words[:1]]
        for source in found:
            notes.take(source.named)
        return bool(found)
