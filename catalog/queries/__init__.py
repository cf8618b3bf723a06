"""The questions put to the index, one .sql file each.

Read by whoever asks one; a file knows the tables of schema.sql and nothing else.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def load(name: str) -> str:
    """Return the text of the question `name`, which is also the name of its file without `.sql`."""
    return files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
