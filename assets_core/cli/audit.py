"""`assets audit`: prove what was recorded and published, to oneself and to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import AsJson, ProjectFolder
from .output import print_json, print_line, say


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        name="audit",
        help="Prove what was recorded and published, to yourself and to others.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("verify")(verify)
    group.command("anchor")(anchor)
    group.command("prove")(prove)
    group.command("key")(key)
    app.add_typer(group)


def verify(
    anchor: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Anchors that a witness kept; may be given several times.")
    ] = None,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Check the journal's chain, its seals and signatures, that the index equals a replay of it, and that every
    published file has its content hash. With anchors, also that nothing was cut off or rolled back since.

    Example: assets audit verify --anchor anchors.jsonl
    """
    from ..governance.audit import read_anchors
    from ..governance.audit import verify as verify_all
    from ..project import find_project

    report = verify_all(find_project(project), read_anchors(anchor or []))
    proof = report.journal
    if as_json:
        findings = [
            {
                "what": finding.problem.what,
                "record": finding.problem.seq,
                "file": str(finding.problem.file),
                "cells": list(finding.cells),
                "affected": finding.count,
            }
            for finding in report.findings
        ]
        print_json(
            {
                "problems": findings,
                "notes": proof.notes,
                "losses": proof.losses,
                "records": proof.records,
                "segments": proof.segments,
                "seals": proof.seals,
                "sealed": proof.sealed,
                "signed": proof.signed,
                "keys": sorted(proof.keys),
                "pruned": proof.pruned,
                "root": proof.root,
                "files": report.files,
            }
        )
    else:
        for finding in report.findings:
            print_line(str(finding))
        for note in proof.notes:
            say(f"note: {note}")
        for loss in proof.losses:
            say(f"note: the loss of records {loss['first']} to {loss['last']} was accepted: {loss['reason']}")
        sealed = f"sealed to {proof.sealed}, signed to {proof.signed}" if proof.seals else "no seal yet"
        pruned = f", {proof.pruned} texts pruned" if proof.pruned else ""
        say(f"{proof.records} records ({sealed}{pruned}), {report.files} published files read")
        say(
            f"{len(report.findings)} problems"
            if report.findings
            else "the journal, the index and the published files are as they were written"
        )
    raise typer.Exit(1 if report.findings else 0)


def anchor(
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the record.")] = "anchor",
    project: ProjectFolder = None,
) -> None:
    """Seal the journal and print its root as one line of JSON, to be kept where nobody who can write here can.

    Verification against it later shows whether anything before it was altered, cut off or rolled back.

    Example: assets audit anchor >> /mnt/witness/anchors.jsonl
    """
    from ..governance.audit import anchor as seal
    from ..project import find_project

    print_json(seal(find_project(project), reason))


def prove(
    cell: Annotated[str, typer.Argument(metavar="CELL", help="The cell, as in `assets explain`.")],
    project: ProjectFolder = None,
) -> None:
    """Print a proof, one JSON object, that the records of how a cell's current version came to be are in the journal.

    A stranger can check it against a published root without this product: docs/journal.md has the lines.

    Example: assets audit prove carrier_year > carrier_year.proof.json
    """
    from ..governance.audit import prove_cell
    from ..model.keys import cell as parsed
    from ..project import find_project

    print_json(prove_cell(find_project(project), parsed(cell)))


def key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, outside of the project's repo.")],
    as_json: AsJson = False,
) -> None:
    """Make an Ed25519 key that signs seals, readable by you alone; print its public key.

    Example: assets audit key ~/.config/assets/signing.pem
    """
    from catalog.signing import make_key

    from ..errors import UserError

    if file.exists() or not file.absolute().parent.is_dir():
        what = "it is there already" if file.exists() else f"there is no folder {file.absolute().parent}"
        raise UserError(f"no key is made in {file}: {what}", remedy="name a new file in a folder that exists")
    public_key = make_key(file)
    if as_json:
        print_json({"file": str(file), "public_key": public_key})
        return
    print_line(public_key)
    say(f'in assets.toml: [audit] signing_key = "{file.absolute()}"; others: trusted_keys = ["{public_key}"]')
