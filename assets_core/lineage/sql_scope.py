"""What a name in a query can mean: the relations in FROM, their columns, aliases, and the queries around.

Used by `sql_relations.py` alone. Where a name can mean several things it means all of them, so that no dependency is
ever omitted. It knows nothing of SQL syntax.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

How = Literal["identity", "transformed", "indirect"]
Reads = frozenset[tuple[str, str, How]]
NOTHING: Reads = frozenset()


def transformed(reads: Reads) -> Reads:
    """Return the reads of an expression over columns that have these reads."""
    return frozenset((table, column, "transformed" if how == "identity" else how) for table, column, how in reads)


def indirect(reads: Reads) -> Reads:
    """Return the reads of rows that these reads decide."""
    return frozenset((table, column, "indirect") for table, column, _ in reads)


@dataclass(frozen=True, slots=True)
class Output:
    """One column that a relation gives; the name is empty where only the engine can tell it."""

    name: str
    reads: Reads


@dataclass(frozen=True, slots=True)
class Relation:
    """What a query gives: its columns, what decides its rows, and what further columns may read.

    `others` is None where `columns` is the whole list; where only the engine can tell how many columns there are, it is
    what any of them may read.
    """

    columns: tuple[Output, ...] = ()
    rows: Reads = NOTHING
    others: Reads | None = None

    @property
    def all_reads(self) -> Reads:
        return NOTHING.union(*(column.reads for column in self.columns), self.others or NOTHING)

    @property
    def unlisted(self) -> Reads | None:
        """Return what a column may read that has a name of the engine's making; None where there is no such column.

        A name that comes twice counts too: a query around reads the second column by another name.
        """
        seen = {""}
        nameless = []
        for column in self.columns:
            if column.name.lower() in seen:
                nameless.append(column.reads)
            seen.add(column.name.lower())
        return NOTHING.union(*nameless, self.others or NOTHING) if nameless or self.others is not None else None

    def column(self, word: str) -> Output | None:
        """Return the first column of a name in lower case."""
        found = next((column for column in self.columns if column.name.lower() == word), None)
        if found is None or not word[-1:].isdigit():
            return found
        return Output(found.name, found.reads | (self.unlisted or NOTHING))  # made-up names end in a number

    def at(self, position: int) -> Reads:
        """Return what the column at a position (from 1) reads; everything where the list is incomplete."""
        if self.others is None and 1 <= position <= len(self.columns):
            return self.columns[position - 1].reads
        return self.all_reads


@dataclass(slots=True)
class Source:
    """A relation in FROM; `path` is what may stand before a column's name, in lower case."""

    path: tuple[str, ...]
    relation: Relation


@dataclass(slots=True)
class Scope:
    """The names of one SELECT, and the reads that decide its rows as they come to light.

    `queries` are the visible common table expressions, `merged` the columns that USING made of several,
    `parameters` the names that a lambda or a list comprehension binds.
    """

    outer: Scope | None
    queries: Mapping[str, Relation]
    sources: list[Source] = field(default_factory=list)
    merged: dict[str, tuple[Output, list[Source]]] = field(default_factory=dict)
    aliases: dict[str, Output] = field(default_factory=dict)
    parameters: frozenset[str] = frozenset()
    rows: Reads = NOTHING

    def inner(self, parameters: Iterable[str] = ()) -> Scope:
        """Return the scope of a query or a lambda inside of this one."""
        return Scope(self, self.queries, parameters=frozenset(word.lower() for word in parameters))

    def decide(self, reads: Reads) -> None:
        """Note that these reads bear on the rows of the query that this scope is of, or is a lambda in."""
        level = self
        while level.parameters and level.outer is not None:
            level = level.outer
        level.rows |= indirect(reads)

    def has_parameter(self, word: str) -> bool:
        """Tell whether a lambda around binds a name."""
        return word.lower() in self.parameters or (self.outer is not None and self.outer.has_parameter(word))

    def column(self, name: Sequence[str]) -> Output | None:
        """Return what a dotted name means here, or else in the queries around.

        The engine looks for a column of FROM, then for an alias, then for the name of a source (a whole row). A query
        that reads a column of a query around is joined to it on that column: it bears on the rows there.
        """
        words = [word.lower() for word in name]
        uncertain: Reads | None = None
        level: Scope | None = self
        is_outside = False
        while level is not None:
            found = level._of_sources(words)
            if found is None:
                for source in level.sources:
                    if (unlisted := source.relation.unlisted) is not None:
                        uncertain = unlisted | (uncertain or NOTHING)
                found = level._of_aliases(words)
            if is_outside:
                level.rows |= indirect((found.reads if found else NOTHING) | (uncertain or NOTHING))
            if found is not None:
                return Output(found.name, found.reads | (uncertain or NOTHING))
            is_outside = is_outside or not level.parameters
            level = level.outer
        return None if uncertain is None else Output(name[-1], uncertain)

    def _of_sources(self, words: Sequence[str]) -> Output | None:
        for source in self.sources:
            for length in range(1, len(words)):
                if source.path[-length:] == tuple(words[:length]) and (found := source.relation.column(words[length])):
                    return _field(found, words[length:])
        if words[0] in self.merged:
            return _field(self.merged[words[0]][0], words)
        holding = [column for source in self.sources if (column := source.relation.column(words[0]))]
        if not holding:
            return None
        return _field(Output(holding[0].name, NOTHING.union(*(column.reads for column in holding))), words)

    def _of_aliases(self, words: Sequence[str]) -> Output | None:
        if found := self.aliases.get(words[0]):
            return _field(found, words)
        for source in self.sources:
            if source.path[-1:] == (words[0],):
                return Output(words[-1], transformed(source.relation.all_reads))
        return None

    def star(self, path: tuple[str, ...] = ()) -> Relation:
        """Return the columns of `*`, or of `path.*`, in order, each that USING merged once."""
        columns: list[Output] = []
        others: Reads | None = None
        given: set[str] = set()
        for source in self.sources:
            if path and source.path[-len(path) :] != path:
                continue
            for column in source.relation.columns:
                word = column.name.lower()
                output, merged = self.merged.get(word, (column, []))
                if path or not any(source is one for one in merged):
                    columns.append(column)
                elif word not in given:
                    given.add(word)
                    columns.append(output)
            if source.relation.others is not None:
                others = source.relation.others | (others or NOTHING)
        return Relation(tuple(columns), NOTHING, others)


def _field(column: Output, words: Sequence[str]) -> Output:
    """Return the column itself, or a field of its struct where further words follow its name."""
    return column if len(words) == 1 else Output(words[-1], transformed(column.reads))
