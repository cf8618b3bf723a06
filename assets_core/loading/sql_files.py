"""Read `.sql` files of a project: a query with a header, a comment that holds TOML.

    /* asset
    partitions = {kind = "monthly", start = "2013-01-01", end = "2014-01-01", tz = "America/New_York"}
    owners = ["team:ops"]
    [upstreams.flights]
    mapping = {kind = "time_window", last = 7}
    */
    SELECT carrier, count(*) AS flights FROM flights GROUP BY carrier

Called by `load.py`. It must not know what the query means.
"""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..declare import About, Handled, SqlDeclaration, Upstream
from ..errors import DefinitionError, Place, UserError, did_you_mean
from ..model.checks import Severity
from ..model.mapping import parse_mapping
from ..model.partitions import parse_partitions

_HEADER = re.compile(r"\s*/\*\s*asset\b(?P<toml>.*?)\*/", re.DOTALL)
_MEMBERS: dict[str, type] = {
    "key": str,
    "partitions": dict,
    "owners": list,
    "tags": dict,
    "group": str,
    "description": str,
    "schema": str,
    "severity": str,
    "after": list,
    "upstreams": dict,
    "parameters": dict,
    "batch": str,
    "libraries": list,
    "expires_after": str,
    "executor": str,
    "retries": int,
    "timeout": str,
    "memory": str,
    "pool": str,
    "weight": int,
    "concurrency": int,
    "priority": int,
}
_TOML_WORDS: dict[type, str] = {str: "string", list: "array", dict: "table", int: "integer"}
_UPSTREAM_MEMBERS: dict[str, type] = {"asset": str, "mapping": dict, "columns": list}


def read_sql_file(path: Path) -> SqlDeclaration | None:
    """Return the declaration of a SQL file; None where the file is empty.

    Raises: DefinitionError where there is no header, or with the line of its mistake.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DefinitionError(f"the file is not UTF-8: {error}", place=Place(str(path)), remedy="save it so") from error
    match = _HEADER.match(text)
    if not text.strip():
        return None
    if match is None:
        raise DefinitionError(
            "the file has no header, so nothing says that it is an asset",
            place=Place(str(path), 1),
            remedy="begin it with /* asset and an end of line, TOML, and */; or keep it outside of the definitions",
        )
    place = Place(str(path), text[: match.start("toml")].count("\n") + 1)
    header = _parse(match["toml"], place)
    _check(header, _MEMBERS, place, "the header")
    upstreams = {name: _upstream(name, table, place) for name, table in header.get("upstreams", {}).items()}
    try:
        partitions = parse_partitions(header["partitions"]) if "partitions" in header else None
    except UserError as error:
        raise DefinitionError(error.what, place=place, remedy=error.remedy) from error
    about = About(
        key=header.get("key", path.stem),
        place=place,
        partitions=partitions,
        schema=_schema(header["schema"], place) if "schema" in header else None,
        severity=header.get("severity", Severity.ERROR),
        owners=header.get("owners", ()),
        tags=header.get("tags", {}),
        group=header.get("group", "default"),
        description=header.get("description", ""),
        libraries=header.get("libraries", ()),
        expires_after=header.get("expires_after"),
        handled={name: header[name] for name in Handled.__annotations__ if name in header},
    )
    # Lines of the query stay those of the file, so that an error in the SQL points at the right one.
    query = "\n" * text[: match.end()].count("\n") + text[match.end() :]
    return SqlDeclaration(
        about, query, upstreams, header.get("after", ()), header.get("parameters", {}), header.get("batch")
    )


def _parse(toml: str, place: Place) -> dict[str, Any]:
    try:
        return tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        line = int(found[1]) if (found := re.search(r"at line (\d+)", str(error))) else 1
        raise DefinitionError(
            f"the header is not TOML: {error}",
            place=Place(place.file, place.line + line - 1),
            remedy='write a member a line, as in owners = ["team:ops"]',
        ) from error


def _check(table: Mapping[str, Any], members: Mapping[str, type], place: Place, what: str) -> None:
    for name, value in table.items():
        if name not in members:
            raise DefinitionError(
                f"{what} has no member {name!r}{did_you_mean(name, members)}",
                place=place,
                remedy=f"use {', '.join(members)}",
            )
        if not isinstance(value, members[name]):
            raise DefinitionError(
                f"member {name!r} of {what} is {value!r}",
                place=place,
                remedy=f"give a TOML {_TOML_WORDS[members[name]]}",
            )


def _upstream(name: str, table: Any, place: Place) -> Upstream:
    what = f"upstream {name!r} of the header"
    if not isinstance(table, dict):
        raise DefinitionError(f"{what} is {table!r}", place=place, remedy=f"write a table [upstreams.{name}]")
    _check(table, _UPSTREAM_MEMBERS, place, what)
    try:
        mapping = parse_mapping(table["mapping"]) if "mapping" in table else None
    except UserError as error:
        raise DefinitionError(f"{what}: {error.what}", place=place, remedy=error.remedy) from error
    return Upstream(table.get("asset"), mapping, table.get("columns"))


def _schema(reference: str, place: Place) -> object:
    module, colon, name = reference.partition(":")
    try:
        if not colon:
            raise ValueError("no colon")
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise DefinitionError(
            f"schema {reference!r} cannot be found: {error}", place=place, remedy='write "package.module:Model"'
        ) from error
