"""What an asset's code is made of, part by part: a value that can be recorded and compared.

Made when a project is loaded, recorded by a run, compared by whoever explains a change. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class CodePart:
    """One thing that counts: a function, class, global or module of the project, or what no syntax shows.

    `kind`: `function`, `class`, `global`, `module`, `query`, `command`, `file`, `interface` (what the code is handed),
    `parameter` or `library`. `text` is for reading: cut where it is very long, which its last line then says; None
    where it is not known. `digest` is of all of it, and of the names of what it uses.
    """

    kind: str
    name: str
    digest: str
    text: str | None
