"""A plain value as a table of one row, and back: canonical JSON, so that equal values are equal data.

Used by steps of assets that make a value instead of a table, and by those that read one. It must not know assets.
"""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa

from ..errors import InputError, OutputError

COLUMN = "value"
_SCHEMA = pa.schema([(COLUMN, pa.string())])
_DEEPEST = 200  # of what every reader of JSON can follow
_REMEDY = "return JSON values only: texts, numbers, booleans, None, and lists and dicts of such, with texts as keys"


def value_table(value: object) -> pa.Table:
    """Return the table of a value: its JSON text, with sorted names, in the column `value`.

    Raises: OutputError where reading that text would not give the same value.
    """
    _require_json(value, "", 0)
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    except ValueError as error:  # a number of more digits than Python reads
        raise OutputError(f"the function returned a value that JSON cannot hold: {error}", remedy=_REMEDY) from error
    return pa.table({COLUMN: [text]}, schema=_SCHEMA)


def value_of(table: pa.Table) -> Any:
    """Return the value that a table of one row holds. Raises: InputError where it is no such table."""
    if table.schema.names != [COLUMN] or table.num_rows != 1:
        raise InputError(
            f"this is a table of {table.num_rows} rows, no plain value",
            remedy="annotate the parameter with a table, as in pl.DataFrame",
        )
    return json.loads(table.column(COLUMN)[0].as_py())


def _require_json(value: object, path: str, depth: int) -> None:
    """Refuse what JSON would change: only the very types that reading it gives back."""
    if depth > _DEEPEST:
        raise _refusal(path[:60] + "...", "is nested too deeply, or holds itself")
    kind = type(value)
    if kind is dict:
        assert isinstance(value, dict)  # noqa: S101  # for the type checker
        for name, each in value.items():
            if type(name) is not str:
                raise _refusal(path, f"has the key {name!r}, which is not a text")
            _require_json(name, f"{path} key", depth)
            _require_json(each, f"{path}[{name!r}]", depth + 1)
    elif kind is list:
        assert isinstance(value, list)  # noqa: S101  # for the type checker
        for position, each in enumerate(value):
            _require_json(each, f"{path}[{position}]", depth + 1)
    elif isinstance(value, float) and kind is float:
        if not math.isfinite(value):
            raise _refusal(path, f"is {value}, which JSON does not have")
    elif isinstance(value, str) and kind is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _refusal(path, f"is {value!r}, which is not Unicode text") from None
    elif kind not in (int, bool, type(None)):
        what = "" if path else ", where its annotation promises a plain value"
        raise _refusal(path, f"is a {kind.__module__}.{kind.__qualname__}{what}".replace("builtins.", ""))


def _refusal(path: str, what: str) -> OutputError:
    where = f" at {path.strip()}" if path else ""
    return OutputError(f"what the function returned{where} {what}", remedy=_REMEDY)
