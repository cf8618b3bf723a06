"""A cause in words, as every command prints it.

Made of the JSON values of `evidence.py`, so that words and JSON say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def words(cause: Mapping[str, Any]) -> str:
    """Return a cause in words: `input changed: raw_flights@2013-01-01`."""
    text = str(cause["kind"]).replace("_", " ")
    if "upstream" in cause:
        text += f": {cause['upstream']}"
        if partitions := cause["partitions"]:
            more = f" and {len(partitions) - 3} more" if len(partitions) > 3 else ""
            text += f"@{', '.join(partitions[:3])}{more}"
        text += f" is {cause['change']}" if "change" in cause else ""
    if cause.get("fewer"):
        text += f" has {cause['fewer']} partitions fewer that are read"
    if cause.get("columns"):
        text += f" (columns {', '.join(cause['columns'])})"
    if roots := cause.get("roots"):
        text += f", since {', '.join(_root(root) for root in roots[:3])}"
    if parts := cause.get("parts") or cause.get("checks"):
        shown = ", ".join(_part(part) for part in parts[:3])
        text += f": {shown}" + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")
    if cause.get("values"):
        text += f": the content of {', '.join(cause['values'])} cannot be determined"
    if cause.get("after_seconds") is not None:
        text += f": it was made more than {cause['after_seconds']} s ago"
    if "record" in cause:
        text += f" by record {cause['record']}" + (f": {cause['reason']}" if cause["reason"] else "")
    if "partitions_were" in cause:
        were = cause["partitions_were"] or {"kind": "none"}
        text += f": the partitions were redefined (they were {were['kind']}),"
        text += f" {cause['outside']} published cells are outside"
    return text


def _part(part: Mapping[str, str]) -> str:
    name = part["name"]
    return name if part["change"] == "changed" else f"{name} ({part['change']})"


def _root(root: Mapping[str, str]) -> str:
    return f"{root['asset']}: {root['kind'].replace('_', ' ')}"
