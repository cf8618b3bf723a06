"""Which place in the journal is meant: a time or a position, as people write it.

Used by every command that looks back (`--as-of`, `--to`). It must not know what is asked about that place.
"""

from __future__ import annotations

from datetime import UTC, datetime

from catalog.queries import load as query
from catalog.session import Catalog

from ..errors import UserError
from ..project import Project

_LONGEST_NUMBER = 19
END = 2**63 - 1
"""A position behind every record, for questions that are asked of the present."""


def position_asked(project: Project, as_of: str | None) -> int | None:
    """Return the position that the option `--as-of` means; None where it was not given.

    Raises: UserError, as `position_of` does.
    """
    return None if as_of is None else position_of(project, as_of, datetime.now(UTC))


def position_of(project: Project, text: str, now: datetime) -> int:
    """Return the position that a text means: all digits are one; else it is a time in ISO form, UTC unless it says.

    Raises: UserError where it is neither, has not come yet, or lies before what the journal tells.
    """
    time = None if _is_position(text) else _time(text)
    if time is not None and time > now:
        raise UserError(f"{text} has not come yet: it is {_shown(now)} (UTC)", remedy="give a time of the past")
    params = {"time": (time or now).astimezone(UTC).replace(tzinfo=None)}
    with Catalog(project.state).read() as connection:
        ((last, at_time, first_at, dropped_before, known_from),) = connection.sql(
            query("moments"), params=params
        ).fetchall()
    position: int = int(text) if time is None else at_time
    if first_at is None:
        raise UserError("there is no past: nothing was recorded yet", remedy="run: assets materialize")
    if position > last:
        raise UserError(f"there is no record {position}: the last one is {last}", remedy=f"give 1 to {last}, or a time")
    if position < known_from:
        raise UserError(
            f"{text} is before what is kept: retention dropped the text of records that are older than"
            f" {dropped_before}, so what was true before record {known_from} cannot be told",
            remedy=f"give a position from {known_from} on, or a later time",
        )
    if position < 1:
        raise UserError(
            f"{text} is before the first record, which was written {first_at} (UTC)", remedy="give a later time"
        )
    return position


def _is_position(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < _LONGEST_NUMBER


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{text!r} is neither a time nor a position in the journal",
            remedy="write a time like 2026-01-31T08:00 (UTC) or 2026-01-31T08:00+01:00, or the number of a record",
        ) from None
    try:
        return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise UserError(f"{text!r} is before the calendar began", remedy="give a later time") from None


def _shown(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
