"""Which keys the sets of dynamic partitions have: rows of records that add keys and remove them.

The statements run in this order; see the docstring of the folder. Adding what is there, and removing what is not,
changes nothing.
"""

from __future__ import annotations

from .statement import on

_KINDS = "partitions_added partitions_removed"

STATEMENTS = (
    # What is said of each key, beginning with what is known of it, without what changes nothing.
    on(
        _KINDS,
        """
        CREATE OR REPLACE TEMP TABLE key_change AS
        WITH said AS (
            SELECT seq, "set" AS set_name, unnest(keys) AS key, generate_subscripts(keys, 1) - 1 AS place,
                TRUE AS is_added
            FROM partitions_added_now
            UNION ALL
            SELECT seq, "set", unnest(keys), generate_subscripts(keys, 1) - 1, FALSE FROM partitions_removed_now),
        known AS (
            SELECT p.added_seq, p.set_name, p.key, p.place, TRUE
            FROM partition_key AS p SEMI JOIN said AS s ON s.set_name = p.set_name AND s.key = p.key
            WHERE p.removed_seq IS NULL)
        SELECT * FROM (SELECT * FROM said WHERE set_name IS NOT NULL AND key IS NOT NULL UNION ALL FROM known)
        QUALIFY is_added IS DISTINCT FROM lag(is_added, 1, FALSE) OVER (PARTITION BY set_name, key ORDER BY seq, place)
        """,
    ),
    on(
        _KINDS,
        """
        CREATE OR REPLACE TEMP TABLE key_span AS
        SELECT * FROM (
            SELECT set_name, key, place, is_added, seq AS added_seq,
                lead(seq) OVER (PARTITION BY set_name, key ORDER BY seq, place) AS removed_seq
            FROM key_change)
        WHERE is_added
        """,
    ),
    on(
        _KINDS,
        """
        UPDATE partition_key SET removed_seq = s.removed_seq
        FROM key_span AS s
        WHERE s.set_name = partition_key.set_name AND s.key = partition_key.key
            AND s.added_seq = partition_key.added_seq AND s.removed_seq IS NOT NULL
        """,
    ),
    on(
        _KINDS,
        """
        INSERT INTO partition_key
        SELECT set_name, key, place, added_seq, removed_seq FROM key_span WHERE added_seq > $applied
        ORDER BY added_seq, place
        """,
    ),
)
