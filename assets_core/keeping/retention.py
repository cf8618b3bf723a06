"""How long the texts of a project's records are kept, and the compaction of its journal.

Called by `assets catalog compact`. It must not know how a journal is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalog import retention
from catalog.compaction import Compacted, compress
from catalog.retention import DataKept, Pruned

from ..errors import Busy, UserError
from ..execution.actor import open_journal
from ..execution.lease import read_positions
from ..lineage.relay import Relay
from ..project import Project
from .collect import LONGEST_DAYS


@dataclass(frozen=True, slots=True)
class Compaction:
    """What became of the texts of old records, and of the segments."""

    pruned: Pruned
    compacted: Compacted


def compact(project: Project, before: datetime | None, now: datetime, *, is_trial: bool = False) -> Compaction:
    """Drop the texts of records older than `before` that nothing needs, and compress what is closed.

    `before` None: nothing is dropped but what a call that was cut short had recorded as dropped. Records of versions
    whose data the settings keep are kept, however old.

    *Raises* CatalogBusy, JournalDamaged, CatalogError.
    """
    folder = project.state / "journal"
    journal = open_journal(project)
    try:
        if before is not None and not is_trial:  # the events of a record are made from its text
            Relay(folder, project.state / "lineage" / "events.jsonl", project.settings.name).catch_up()
        if before is not None and not is_trial and read_positions(project.state / "readers"):
            raise Busy(
                "somebody is reading published data, perhaps as it was at a time whose records would be dropped",
                remedy="wait until they have read it, then run the command again",
            )
        reason = "retention" if before is None else f"retention: older than {before.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        data = DataKept(
            _days_before(now, min(project.settings.keep_days, LONGEST_DAYS)), project.settings.keep_versions
        )
        pruned = retention.prune(project.state, journal, before, data, reason, is_trial=is_trial)
        return Compaction(pruned, Compacted() if is_trial else compress(folder, journal))
    finally:
        journal.close()


def horizon(text: str | None, settings_days: int | None, now: datetime) -> datetime | None:
    """Return the time before which texts are dropped: as a number of days or a date (UTC) says, else the settings.

    Raises: UserError.
    """
    if text is None:
        return None if settings_days is None else _days_before(now, settings_days)
    if text.isdecimal():
        return _days_before(now, int(text))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{text!r} is neither a number of days nor a date", remedy="give for example 90, or 2026-01-31"
        ) from None
    try:
        found = (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise UserError(f"{text} is before the calendar began", remedy="give a later date") from None
    if found > now:
        raise UserError(f"{text} lies in the future", remedy="give a date that has passed, or a number of days")
    return found


def _days_before(now: datetime, days: int) -> datetime:
    try:
        return now - timedelta(days=days)
    except OverflowError:
        raise UserError(f"{days} days ago there was no calendar", remedy="give fewer days") from None
