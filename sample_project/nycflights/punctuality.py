"""When a flight counts as late: one rule for every mart that counts late flights."""

import polars as pl

LATE_AFTER_MINUTES = 15  # the rule of the US Department of Transportation


def late() -> pl.Expr:
    """Return whether a flight arrived late; null where its arrival was not reported."""
    return pl.col("arrival_delay_minutes") >= LATE_AFTER_MINUTES
