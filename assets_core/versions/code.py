"""Answers which version the code of an asset has: one digest of its syntax and of all of the project that it uses.

Called when a project is loaded, and by whoever needs a digest of texts, as for SQL assets. It must not know assets,
partitions or the catalog.

Every function, class, global and module used is a part (code_parts.py). The digest covers the texts of all parts that
the target reaches and their edges by name: cycles need no special care, and what is explained is what was digested.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from dataclasses import dataclass

from blake3 import blake3

from .code_modules import Key
from .code_parts import Part, PartReader

_TEXT_LIMIT = 4_000


@dataclass(frozen=True, slots=True)
class CodePart:
    """One function, class, global or module that counts; `text` is cut for reading, `digest` is of all of it."""

    name: str
    digest: str
    text: str


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """The version of a piece of code, with the parts it is made of, sorted by name.

    `libraries` are the top-level names of installed packages that are used but not followed. `unknown` names the values
    whose content could not be told: while there is one, an equal digest does not prove that nothing changed.
    """

    digest: str
    parts: tuple[CodePart, ...]
    libraries: tuple[str, ...]
    unknown: tuple[str, ...]


def digest_text(*parts: str) -> str:
    """Return 32 hexadecimal digits for a sequence of texts; no two sequences run together.

    >>> digest_text("ab", "c") == digest_text("a", "bc")
    False
    """
    hasher = blake3()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hasher.update(b"%d:" % len(data))
        hasher.update(data)
    return hasher.hexdigest(length=16)


class CodeReader:
    """Reads code versions; keeps parsed files and finished parts, so one reader serves one loaded state of a project.

    `is_project_file` decides which source files are followed. It is also asked about an `__init__.py` in the folders
    around them, existing or not, to find the folder of the project, which never enters a digest.
    """

    def __init__(self, is_project_file: Callable[[str], bool]) -> None:
        self._parts = PartReader(is_project_file)

    def version(self, target: Callable[..., object] | type, *, extra: tuple[str, ...] = ()) -> CodeVersion:
        """Return the version of a function or class of the project; the strings of `extra` count too."""
        entry = self._parts.entry(target)
        names: dict[Key, str] = {}
        count: collections.Counter[str] = collections.Counter()
        reached: list[Part] = []
        pending = [entry]
        while pending:
            following = pending.pop()
            if following.key in names:
                continue
            count[following.name] += 1
            again = count[following.name]  # two closures of one function are two parts
            names[following.key] = f"{following.name}#{again}" if again > 1 else following.name
            reached.append(self._parts.part(following, is_entry=following.key == entry.key))
            pending.extend(reversed(reached[-1].edges))
        parts = [
            CodePart(
                name=names[part.target.key],
                digest=digest_text(part.text, *(names[edge.key] for edge in part.edges)),
                text=part.text[:_TEXT_LIMIT],
            )
            for part in reached
        ]
        parts.sort(key=lambda part: part.name)
        covered = [word for part in parts for word in (part.name, part.digest)]
        return CodeVersion(
            digest=digest_text("code 1", names[entry.key], str(len(extra)), *extra, *covered),
            parts=tuple(parts),
            libraries=tuple(sorted({name for part in reached for name in part.libraries})),
            unknown=tuple(sorted({name for part in reached for name in part.unknown})),
        )
