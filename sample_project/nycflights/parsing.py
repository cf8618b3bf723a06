"""Turn delivered text into values: whole numbers, decimals, clock times, moments. Used by the cleaned assets alone.

A value that is no number or time fails the partition: nothing is guessed and nothing is dropped.
"""

import polars as pl

from nycflights.periods import NEW_YORK

ABSENT = "NA"  # how the source writes that it has no value


def text(name: str) -> pl.Expr:
    """Return a column's text without blanks around it, null where the source has no value."""
    trimmed = pl.col(name).str.strip_chars()
    return pl.when(trimmed != ABSENT).then(trimmed).alias(name)


def whole(name: str) -> pl.Expr:
    """Return a column as whole numbers (up to 32,767)."""
    return text(name).cast(pl.Int16)


def decimal(name: str) -> pl.Expr:
    """Return a column as numbers with a fraction."""
    return text(name).cast(pl.Float64)


def clock(name: str) -> pl.Expr:
    """Return a column of local times such as 517 or 1805 as times of the day; 2400 is midnight, 00:00."""
    hhmm = whole(name)
    return pl.time(hhmm // 100 % 24, hhmm % 100).alias(name)


def minute_of_day(name: str) -> pl.Expr:
    """Return a column of times of the day as minutes after midnight."""
    return pl.col(name).dt.hour().cast(pl.Int32) * 60 + pl.col(name).dt.minute()


def moment(name: str) -> pl.Expr:
    """Return a column of UTC times such as 2013-01-01T10:00:00Z as moments that read as New York's clocks do."""
    return (
        text(name).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC").dt.convert_time_zone(NEW_YORK)
    )
