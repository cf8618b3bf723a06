"""What the code versions of assets are made of: rows of the functions, globals and libraries that count.

The statements run in this order; see the docstring of the folder.
"""

from __future__ import annotations

from .statement import on

STATEMENTS = (
    on(
        "code",
        """
        INSERT INTO code_part
        SELECT seq, asset, code_version, p[1], p[2], p[3], p[4]
        FROM (SELECT seq, asset, code_version, unnest(parts) AS p FROM code_now)
        ORDER BY seq
        """,
    ),
)
