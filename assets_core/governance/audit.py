"""Prove everything: the journal, its seals and signatures, the index, the published files; say what a damage affects.

Called by `assets audit`. It changes nothing, but for `anchor`, which seals.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from catalog.audit import Anchor, Problem, Proof, prove
from catalog.errors import CatalogError
from catalog.inclusion import inclusion_proof
from catalog.queries import load as query
from catalog.segments import segments
from catalog.session import Catalog

from ..errors import UserError, did_you_mean
from ..execution.actor import open_journal, signing_key
from ..io.data_folder import DataFolder
from ..model.keys import AssetKey, Cell
from ..project import Project

_NAMED_CELLS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written, and the cells whose numbers rest on it (the first few, and how many)."""

    problem: Problem
    cells: tuple[str, ...] = ()
    count: int = 0

    def __str__(self) -> str:
        if not self.count:
            return str(self.problem)
        more = f" and {self.count - len(self.cells)} more" if self.count > len(self.cells) else ""
        return f"{self.problem}\n  affects {', '.join(self.cells)}{more}"


@dataclass(slots=True)
class Report:
    """What was proved, and what is wrong. `files`: how many published files were read in full."""

    journal: Proof
    files: int = 0
    findings: list[Finding] = field(default_factory=list)


def verify(project: Project, anchors: Sequence[Anchor] = ()) -> Report:
    """Prove a project's records and data; nothing is repaired."""
    catalog = Catalog(project.state)
    known = catalog.known()
    proof = prove(project.state / "journal", trusted_keys=project.settings.trusted_keys, anchors=anchors, known=known)
    report = Report(proof)
    report.findings += [_finding(catalog, problem) for problem in proof.problems]
    if not proof.problems:
        report.findings += [Finding(Problem(what, project.state / "catalog.duckdb")) for what in catalog.verify()]
    if report.findings:
        return report
    with catalog.read() as connection:
        files = connection.sql(query("published_files")).fetchall()
    report.files = len(files)
    report.findings += _wrong_files(catalog, project.data, files)
    return report


def _finding(catalog: Catalog, problem: Problem) -> Finding:
    """Return a damage of the journal with the cells that were made or published by the record or a later one."""
    if problem.seq is None:
        return Finding(problem)
    cells = _asked(catalog, "cells_since", {"seq": problem.seq})
    return Finding(problem, tuple(cells[:_NAMED_CELLS]), len(cells))


def _wrong_files(catalog: Catalog, data: DataFolder, files: Sequence[tuple[Any, ...]]) -> Iterator[Finding]:
    def look(file: tuple[Any, ...]) -> str | None:
        return data.wrong_with(file[3], file[2], file[5])

    with ThreadPoolExecutor() as pool:
        for (asset, partition, _, file, seq, _), wrong in zip(files, pool.map(look, files), strict=True):
            if wrong is None:
                continue
            own = str(Cell(AssetKey(asset), partition))
            readers = [cell for cell in _asked(catalog, "readers_of", {"seq": seq}) if cell != own]
            cells = (own, *readers)
            place = data.place(file)
            yield Finding(Problem(wrong, place if "://" in place else Path(place)), cells[:_NAMED_CELLS], len(cells))


def _asked(catalog: Catalog, name: str, params: dict[str, object]) -> list[str]:
    """Return cells that the index names, as it is: also where it cannot be brought up to the journal any more."""
    try:
        with catalog.as_it_is() as connection:
            rows = connection.sql(query(name), params=params).fetchall()
    except (duckdb.Error, CatalogError):
        return []
    return [str(Cell(AssetKey(asset), partition)) for asset, partition in rows]


def anchor(project: Project, reason: str) -> dict[str, Any]:
    """Seal everything up to now; return what a witness keeps to know this journal again.

    Raises: UserError where there is no record yet, or the key that signs is not there; CatalogError.
    """
    key = signing_key(project)
    if key is not None and not key.exists():
        raise UserError(f"the signing key {key} is not there", remedy="run this where it is, or correct assets.toml")
    journal = open_journal(project)
    seal = journal.seal(reason)
    journal.close()
    if seal is None:
        raise UserError("nothing was recorded yet", remedy="materialize something first")
    members = ("segments", "last", "last_digest", "root", "public_key", "signature")
    return {"project": project.settings.name, **{name: seal[name] for name in members}}


def read_anchors(files: Iterable[Path]) -> list[Anchor]:
    """Return the anchors in some files, a JSON object a line.

    Raises: UserError where a file holds something else.
    """
    found: list[Anchor] = []
    for file in files:
        before = len(found)
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{file} cannot be read: {error}", remedy="name a file with anchors") from error
        for number, line in enumerate(lines, 1):
            try:
                document = json.loads(line)
                known = {"segments": int(document["segments"]), "last": int(document["last"])}
                if known["segments"] < 1 or not isinstance(document["root"], str):
                    raise ValueError(line)
                found.append({**document, **known})
            except (ValueError, TypeError, KeyError) as error:
                raise UserError(
                    f"{file}:{number} is not an anchor: {line[:80]!r}", remedy="use what `assets audit anchor` printed"
                ) from error
        if len(found) == before:
            raise UserError(f"{file} holds no anchor", remedy="use what `assets audit anchor` printed")
    return found


def prove_cell(project: Project, cell: Cell) -> dict[str, Any]:
    """Return a proof that the records of a cell's current version are in the journal; it is sealed first if need be.

    The records are those of the version's run, making, verdicts and publishing, and of who did it.

    Raises: UserError where nothing is published of the cell, CatalogError.
    """
    with Catalog(project.state).read() as connection:
        params = {"asset": cell.asset, "partition": cell.partition}
        rows = connection.sql(query("records_of_cell"), params=params).fetchall()
    if not rows:
        near = "" if cell.asset in project.graph.assets else did_you_mean(cell.asset, project.graph.assets)
        remedy = "see: assets status" if near else f"run: assets materialize +{cell.asset}"
        raise UserError(f"nothing of {cell} is published{near}", remedy=remedy)
    ((version, seqs),) = rows
    folder = project.state / "journal"
    last = segments(folder)[-1]
    if max(seq for seq in seqs if seq is not None) >= last.first:
        anchor(project, "proof")
    return {"cell": str(cell), "version": version, **inclusion_proof(folder, [seq for seq in seqs if seq is not None])}
