"""Which columns of an input count: what a step read, or was declared to read.

Found by a step while it works, recorded with the version that it made, used by planning. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ColumnsRead:
    """The columns of an input that a step read; None in place of it is everything, also what is added later.

    `names` are sorted; where there are none, only the number of rows counted. `with_schema`: the names and types of all
    columns, in their order, counted too.
    """

    names: tuple[str, ...]
    with_schema: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"columns": list(self.names), "schema": self.with_schema}
