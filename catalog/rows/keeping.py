"""What became of files and of records themselves: collected, sealed, pruned, lost, and records of unknown kinds.

The statements run in this order; see the docstring of the folder.
"""

from __future__ import annotations

from .statement import on

STATEMENTS = (
    on(
        "collected",
        """
        INSERT INTO collection
        SELECT seq, "at", v[1], v[2], nullif(coalesce(v[3], ''), v[1] || '/' || v[2] || '.parquet'), reason
        FROM (SELECT seq, "at", reason, unnest(versions) AS v FROM collected_now)
        """,
    ),
    on(
        "sealed",
        """
        INSERT INTO seal
        SELECT seq, "at", segment, records, segment_root, segments, last, last_digest, root, frontier, reason,
            public_key, signature
        FROM sealed_now
        """,
    ),
    on(
        "pruned",
        """
        INSERT INTO pruning
        SELECT seq, "at", "before", s[1], TRY_CAST(s[2] AS BIGINT), TRY_CAST(s[3] AS BIGINT), reason
        FROM (SELECT seq, "at", "before", reason, unnest(segments) AS s FROM pruned_now)
        """,
    ),
    on("loss_accepted", 'INSERT INTO loss SELECT seq, "at", first, last, reason FROM loss_accepted_now'),
    on("other", 'INSERT INTO other_record SELECT seq, "at", by_seq, kind, v, payload FROM other_now'),
)
