"""`assets audit`: prove what was recorded and published, to oneself and to others."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import AsJson, ProjectFolder
from .output import print_json, print_line, print_table, say

if TYPE_CHECKING:
    from ..governance.skips import Look, Skips


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
    group.command("skips")(skips)
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


def skips(
    wanted: Annotated[
        str, typer.Argument(metavar="CELL|ASSETS", help="asset@partition, or the assets that a key or a glob names.")
    ] = "*",
    on: Annotated[
        datetime | None,
        typer.Option("--on", metavar="YYYY-MM-DD", formats=["%Y-%m-%d"], help="Only on that day (UTC)."),
    ] = None,
    as_json: AsJson = False,
    project: ProjectFolder = None,
) -> None:
    """Print when runs found cells fresh and so did not make them, who ran them, and what was compared and equal.

    Of one cell also what else runs did to it; where none looked at it on the day, the last one that did before, and the
    version that was current that day. A run that finds everything fresh leaves no record, unless assets.toml says so:
    [audit] record_idle_runs = true.

    Example: assets audit skips carrier_months@2013-01 --on 2026-01-31
    """
    from ..governance.skips import skips_of
    from ..project import find_project

    found = skips_of(find_project(project), wanted, None if on is None else on.date())
    if as_json:
        print_json(
            {
                "cell": None if found.cell is None else str(found.cell),
                "on": None if on is None else f"{on:%Y-%m-%d}",
                "looks": [asdict(look) for look in found.looks],
                "last": None if found.last is None else asdict(found.last),
                "version": found.version,
                "since": found.since,
                "dropped_before": found.dropped_before,
            }
        )
        return
    columns = ["at (UTC)", "asset", "partitions", "cells", "why", "version", "code", "compared", "by", "run", "record"]
    if found.looks or found.cell is None:
        print_table(columns, [_look_row(look) for look in found.looks])
    _say_current(found, on)
    if found.dropped_before is not None:
        say(f"note: texts of records before {found.dropped_before} were dropped by retention: looks may be missing")


def _look_row(look: Look) -> list[object]:
    compared = "" if look.recipes is None else f"{look.compared} recipes {look.recipes[:12]}"
    for read in look.reads:
        ordinals = f"{read['first_ordinal']}..{read['end_ordinal'] - 1}"
        compared += f", {read['name']} {ordinals} {read['digest'][:12]}"
    cells = look.first if look.first == look.last else f"{look.first}..{look.last}"
    version, code = ((text or "")[:12] for text in (look.version, look.code_version))
    return [look.at, look.asset, cells, look.cells, look.why, version, code, compared, look.who, look.run, look.seq]


def _say_current(found: Skips, on: datetime | None) -> None:
    """Say what was current, and who looked last where nobody did on the day."""
    if found.cell is None:
        if not found.looks:
            say("no run found any of these cells fresh" + ("" if on is None else f" on {on:%Y-%m-%d}"))
        return
    day = "" if on is None else f" on {on:%Y-%m-%d}"
    if not found.looks:
        say(f"no run looked at {found.cell}{day}")
        if found.last is not None:
            last = found.last
            say(f"the last one before that: {last.at} (UTC), run {last.run} by {last.who}: it {last.why}")
    if found.version is None:
        say(f"no version of it was current{f' at the end of {on:%Y-%m-%d}' if on else ''}")
    else:
        when = f"current at the end of {on:%Y-%m-%d}" if on else "current now"
        say(f"{when}: version {found.version}, since {found.since} (UTC)")
