"""A plan as a file: what was agreed to run, to be looked at by others, and to be executed exactly or not at all.

Written by `assets plan --out`, read by `assets materialize --plan`. Cells are ranges of ordinals, by cause; it must not
know how a plan is made or run.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from catalog.durable import sync

from ..errors import UserError
from ..model.asset import Asset
from ..model.keys import AssetKey
from ..versions.recipe import Ordinals
from .intervals import Flags
from .plan import AssetSteps, Plan
from .ranges import range_texts, runs_of
from .staleness import Cause, Causes

_FORMAT = "assets-core plan"
_SCHEMA_VERSION = 1
_LINES = 20  # of differences that are told
_RANGES = 4  # that a line of them names
_NO_MATTER = ("file", "line", "owners", "tags", "group", "description", "handling")  # to what a definition makes


@dataclass(frozen=True, slots=True)
class _Steps:
    """What a plan file holds of one asset; arrays are parallel, ascending by ordinal."""

    definition: str
    scheme: str | None
    ordinals: Ordinals
    causes: Causes
    blocked: Flags


@dataclass(frozen=True, slots=True)
class PlanFile:
    """What was asked for and what was to run for it; `digest` is that of the whole file."""

    path: Path
    digest: str
    selection: str
    partitions: str | None
    force: bool
    steps: Mapping[AssetKey, _Steps]

    def require(self, plan: Plan) -> None:
        """Refuse a plan that is not the one in the file.

        Raises: UserError that says what differs, asset by asset.
        """
        told = list(islice(_differences(self.steps, plan), _LINES + 1))
        if told:
            lines = [*told[:_LINES], *(["... and more"] if len(told) > _LINES else [])]
            raise UserError(
                "\n    ".join([f"the plan in {self.path} is not what would run now", *lines]),
                remedy="make it again, and have it agreed to: assets plan ... --out FILE",
            )


def document_of(plan: Plan, project: str, position: int, selection: str, partitions: str | None) -> dict[str, Any]:
    """Return a plan as JSON values: what was asked for, as of which record of the journal, and what would run."""
    document: dict[str, Any] = {
        "format": _FORMAT,
        "schema_version": _SCHEMA_VERSION,
        "project": project,
        "selection": selection,
        "partitions": partitions,
        "force": plan.forced,
        "position": position,
        "stale": plan.stale,
        "fresh": plan.fresh,
        "assets": [_document_of_steps(steps) for steps in plan.steps],
    }
    return {**document, "digest": _digest(document)}


def _document_of_steps(steps: AssetSteps) -> dict[str, Any]:
    asset = steps.asset
    groups = []
    for causes in np.unique(steps.causes).tolist():
        ordinals = steps.ordinals[steps.causes == causes]
        groups.append(
            {
                "causes": _kinds(causes),
                "cells": len(ordinals),
                "ranges": runs_of(ordinals),
                "keys": range_texts(asset.partitions, ordinals),
            }
        )
    return {
        "asset": asset.key,
        "definition": _definition(asset),
        "partitions": _scheme(asset),
        "cells": len(steps),
        "groups": groups,
        "blocked": runs_of(steps.ordinals[steps.blocked]),
    }


def _kinds(causes: int) -> list[str]:
    return [cause.kind for cause in Cause if causes & cause]


def _definition(asset: Asset) -> str:
    """Return a digest of everything in a definition that decides what is made of what."""
    return _digest({name: member for name, member in asset.to_json().items() if name not in _NO_MATTER})


def _scheme(asset: Asset) -> str | None:
    return None if asset.partitions is None else asset.partitions.scheme


def _digest(document: Mapping[str, Any]) -> str:
    return blake3(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_plan(path: Path, document: Mapping[str, Any]) -> None:
    """Write a plan to a file, durably: whoever reads it finds the old content or the new, never a part.

    Raises: UserError where there is no such folder.
    """
    if not path.parent.is_dir() or path.is_dir():
        what = "is a folder" if path.is_dir() else f"cannot be written: there is no folder {path.parent}"
        raise UserError(f"{path} {what}", remedy="name a file in a folder that is there")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with open(temporary, "x", encoding="utf-8") as stream:
            json.dump(document, stream, ensure_ascii=False, indent=1)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def read_plan(path: Path, project: str) -> PlanFile:
    """Return the plan of a project that a file holds.

    Raises: UserError where it holds none, a damaged one, one of another version or one of another project.
    """
    again = "make it again: assets plan ... --out FILE"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"there is no plan file {path}", remedy=again) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a plan, or a damaged one: it is not JSON ({error})", remedy=again) from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise UserError(f"{path} is not a plan of assets-core", remedy=again)
    if (version := document.get("schema_version")) != _SCHEMA_VERSION:
        what = f"{path} is a plan of form {version}, and this version reads form {_SCHEMA_VERSION}"
        raise UserError(what, remedy=again)
    digest = document.pop("digest", None)
    if digest != _digest(document):
        raise UserError(f"the plan in {path} is damaged: its content does not have the digest {digest}", remedy=again)
    if document.get("project") != project:
        raise UserError(
            f"{path} is a plan of project {document.get('project')!r}, and this is {project!r}",
            remedy="name the folder of its project with --project",
        )
    try:
        steps = {AssetKey(part["asset"]): _steps_in(part) for part in document["assets"]}
        asked = (document["selection"], document["partitions"], document["force"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"{path} is not a plan of assets-core: {error!r} is wrong in it", remedy=again) from error
    return PlanFile(path, digest, *asked, steps)


def _steps_in(document: Mapping[str, Any]) -> _Steps:
    """Return the cells of one asset that a document describes."""
    known = {cause.kind: int(cause) for cause in Cause}
    parts = [(_expanded(group["ranges"]), sum(known[kind] for kind in group["causes"])) for group in document["groups"]]
    ordinals = np.concatenate([part for part, _ in parts])
    causes = np.concatenate([np.full(len(part), bits, np.int64) for part, bits in parts])
    order = np.argsort(ordinals, kind="stable")
    blocked = np.isin(ordinals[order], _expanded(document["blocked"]))
    return _Steps(document["definition"], document["partitions"], ordinals[order], causes[order], blocked)


def _expanded(ranges: list[list[int]]) -> Ordinals:
    """Return the ordinals of ranges; the inverse of `runs_of`."""
    pairs = np.array(ranges, np.int64).reshape(-1, 2)
    lengths = pairs[:, 1] - pairs[:, 0] + 1
    behind = np.cumsum(lengths)
    expanded: Ordinals = np.repeat(pairs[:, 0] - behind + lengths, lengths)
    expanded += np.arange(len(expanded), dtype=np.int64)
    return expanded


def _differences(agreed: Mapping[AssetKey, _Steps], plan: Plan) -> Iterator[str]:
    """Yield in words how a plan differs from the one that was agreed to."""
    now = {steps.asset.key: steps for steps in plan.steps}
    nothing = np.zeros(0, np.int64)
    for key in dict.fromkeys([*agreed, *now]):
        asset = plan.world.graph.assets.get(key)
        then, steps = agreed.get(key), now.get(key)
        if asset is None:
            yield f"{key}: it is not declared any more"
            continue
        if then is not None and then.definition != _definition(asset):
            yield f"{key}: its definition changed"
        if then is not None and then.scheme != _scheme(asset):
            continue  # the ordinals mean other cells
        before = _Steps("", None, nothing, nothing, nothing != 0) if then is None else then
        after = AssetSteps(asset, nothing, nothing, nothing != 0) if steps is None else steps
        yield from (f"{key}: {told}" for told in _cell_differences(asset, before, after))


def _cell_differences(asset: Asset, before: _Steps, after: AssetSteps) -> Iterator[str]:
    names = ("ordinals", "causes", "blocked")
    if all(np.array_equal(getattr(before, name), getattr(after, name)) for name in names):
        return  # at once, as is right for most
    ordinals, at_before, at_after = np.intersect1d(
        before.ordinals, after.ordinals, assume_unique=True, return_indices=True
    )
    is_new = ~np.isin(after.ordinals, ordinals, assume_unique=True)
    for causes in np.unique(after.causes[is_new]).tolist():
        new = after.ordinals[is_new & (after.causes == causes)]
        yield f"{_cells(asset, new)} newly stale ({', '.join(_kinds(causes))})"
    gone = before.ordinals[~np.isin(before.ordinals, ordinals, assume_unique=True)]
    if len(gone):
        yield f"{_cells(asset, gone)} no longer stale"
    then, now = before.causes[at_before], after.causes[at_after]
    for pair in np.unique(np.stack([then, now], 1)[then != now], axis=0).tolist():
        other = ordinals[(then == pair[0]) & (now == pair[1])]
        before_and_now = " before, ".join(" and ".join(_kinds(causes)) for causes in pair)
        yield f"{_cells(asset, other)} stale for other causes ({before_and_now} now)"
    was_blocked, is_blocked = before.blocked[at_before], after.blocked[at_after]
    for flags, told in (
        (is_blocked & ~was_blocked, "blocked now"),
        (was_blocked & ~is_blocked, "not blocked any more"),
    ):
        if flags.any():
            yield f"{_cells(asset, ordinals[flags])} {told}"


def _cells(asset: Asset, ordinals: Ordinals) -> str:
    texts = range_texts(asset.partitions, ordinals)
    shown = ", ".join(texts[:_RANGES]) + (f" and {len(texts) - _RANGES} more ranges" if len(texts) > _RANGES else "")
    return f"{len(ordinals)} cell{'s' if len(ordinals) != 1 else ''}{f' ({shown})' if shown else ''}"
