"""What `assets.toml` says of assets, beside their definitions: values of parameters, libraries whose versions count.

Read by `project.py`, used by `load.py` and `remember.py`. It must not know what assets there are.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Place

POOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")  # it names files


@dataclass(frozen=True, slots=True)
class Configured:
    """Values of parameters by asset and name, as TOML gives them, the libraries that count for every asset, and the
    slots of each pool.

    `file` and `table` (the names down to the project's own table) tell where they stand.
    """

    parameters: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()
    pools: Mapping[str, int] = field(default_factory=dict)
    file: Path = Path("assets.toml")
    table: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return a text that changes with what is said, not with where."""
        return repr(
            (self.libraries, {asset: dict(values) for asset, values in self.parameters.items()}, dict(self.pools))
        )

    def place(self, *path: str) -> Place:
        """Return the line of a value, by the names down to it: the parser tells none, so it is asked line by line."""
        try:
            lines = self.file.read_text(encoding="utf-8").splitlines()
        except OSError:
            return Place(self.file.name)
        start = 0
        for end in range(1, len(lines) + 1):
            try:
                found: object = tomllib.loads("\n".join(lines[:end]))
            except tomllib.TOMLDecodeError:  # inside of a value of several lines
                continue
            for name in (*self.table, *path):
                found = found.get(name) if isinstance(found, dict) else None
            if found is not None:
                return Place(self.file.name, start + 1)
            start = end
        return Place(self.file.name)
