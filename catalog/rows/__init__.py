"""What a record becomes: the SQL statements that turn the records of a batch into rows, in the order they run.

Run by apply.py. They know the payloads (docs/journal.md) and the tables (schema.sql), nothing else. Batches of any size
end in the same tables: every rule goes by `seq`. A member that a payload lacks, or of another type, becomes NULL.
"""

from __future__ import annotations

from . import cells, code, keeping, partition_sets, runs, skips
from .statement import Statement

STATEMENTS: tuple[Statement, ...] = (
    *runs.STATEMENTS,
    *code.STATEMENTS,
    *skips.STATEMENTS,
    *partition_sets.STATEMENTS,
    *cells.STATEMENTS,
    *keeping.STATEMENTS,
)
"""Statements on the tables `<kind>_now` of payloads.py; that of a kind which the batch lacks is empty."""
