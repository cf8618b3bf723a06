"""What planning asks of the past, when the numbers of the current cells do not settle a question.

A port: `history.py` implements it with the catalog. What it tells is as of one record, whatever was written since.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol

from ..model.keys import AssetKey
from .cells import Columns

if TYPE_CHECKING:
    from ..model.code_part import CodePart


CodeOf = tuple[AssetKey, str]
"""An asset and a version of its code."""


class Past(Protocol):
    """Answers for several assets at once; an asset of which nothing is known may be left out.

    Rows have `ordinal`, or, where `is_renumbered`, the `partition` key that says which cell they are of.
    """

    def details(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        """Return a row a cell: version, file, rows, bytes, signature, checks_version, source_seq."""
        ...

    def recipes(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        """Return a row a cell of whose inputs not all columns counted: recipe_a, recipe_b, source_seq."""
        ...

    def readings(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Sequence[tuple[int, str | None]]]:
        """Return from which record on materializations had read which columns of their inputs (JSON)."""
        ...

    def inputs(self, assets: Collection[AssetKey]) -> tuple[Mapping[AssetKey, Columns], Sequence[str]]:
        """Return a row an edge of a cell and run of partitions: edge, first_ordinal, end_ordinal, digest, as_of, seq;
        and the names that the numbers `edge` stand for."""
        ...

    def columns(self, assets: Collection[AssetKey]) -> tuple[Mapping[AssetKey, Columns], Sequence[tuple[str, str]]]:
        """Return a row a column of a cell: position, pair, digest_a, digest_b; and the names and types that the numbers
        `pair` stand for."""
        ...

    def since(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        """Return a row a cell: since, the record from which on it has the version that it has."""
        ...

    def made_at(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        """Return a row a cell: made_us, when its current version was made, in microseconds since 1970."""
        ...

    def file_digests(self, asset: AssetKey, versions: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Return the digests of the bytes that the files of versions were written with, where they are recorded."""
        ...

    def changed_columns(
        self, asset: AssetKey, partitions: Sequence[str | None], read_at: Sequence[int]
    ) -> Sequence[str]:
        """Return the columns of an asset that differ between what each partition was as of a record and what it is."""
        ...

    def rolled_back(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:
        """Return a row a cell whose current version a rollback made current: seq, reason."""
        ...

    def declarations(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Sequence[tuple[int, str | None]]]:
        """Return record and document of every declaration of an asset; None for a withdrawal."""
        ...

    def code_versions(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Sequence[str]]:
        """Return every code version of an asset of which the parts are recorded."""
        ...

    def code_parts(self, versions: Collection[CodeOf]) -> Mapping[CodeOf, Sequence[CodePart]]:
        """Return the recorded parts of code versions."""
        ...


class MovedOn(AssertionError):
    """The past of a look was asked when the run had begun to move on: what it tells might not be so any more."""


class ClosedPast:
    """The past that nobody may ask any more: a run reads what it needs before it moves anything."""

    def __getattr__(self, name: str) -> NoReturn:
        raise MovedOn(f"{name} was asked of the past while a run goes on; read it before the run begins")


@dataclass(frozen=True, slots=True)
class NothingPast:
    """The past of a project of which nothing was ever made."""

    rows: Mapping[AssetKey, Columns] = field(default_factory=dict)

    def details(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Columns]:  # noqa: ARG002
        return self.rows

    since = rolled_back = recipes = made_at = details

    def inputs(self, assets: Collection[AssetKey]) -> tuple[Mapping[AssetKey, Columns], Sequence[str]]:  # noqa: ARG002
        return {}, ()

    def columns(self, assets: Collection[AssetKey]) -> tuple[Mapping[AssetKey, Columns], Sequence[tuple[str, str]]]:  # noqa: ARG002
        return {}, ()

    def readings(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Sequence[tuple[int, str | None]]]:  # noqa: ARG002
        return {}

    def file_digests(self, asset: AssetKey, versions: Collection[str]) -> Mapping[str, Sequence[str]]:  # noqa: ARG002
        return {}

    def changed_columns(
        self,
        asset: AssetKey,  # noqa: ARG002
        partitions: Sequence[str | None],  # noqa: ARG002
        read_at: Sequence[int],  # noqa: ARG002
    ) -> Sequence[str]:
        return ()

    def declarations(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Sequence[tuple[int, str | None]]]:  # noqa: ARG002
        return {}

    def code_versions(self, assets: Collection[AssetKey]) -> Mapping[AssetKey, Sequence[str]]:  # noqa: ARG002
        return {}

    def code_parts(self, versions: Collection[CodeOf]) -> Mapping[CodeOf, Sequence[CodePart]]:  # noqa: ARG002
        return {}
