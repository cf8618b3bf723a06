"""Answers which version the code of an asset has: one digest of its syntax and of all of the project that it uses.

Called when a project is loaded. It must not know assets, partitions or the catalog.

Every function, class, global and module used is a part (code_parts.py); whoever asks adds parts that no syntax shows:
a query, a parameter's value, the version of a library. The digest covers the kinds, names and digests of the parts and
nothing else: versions are equal where the parts are, and what is explained (code_changes.py) is what was digested.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from blake3 import blake3

from ..model.code_part import CodePart
from .code_modules import Key
from .code_parts import Part, PartReader

TEXT_LIMIT = 20_000
INTERFACE = "interface"


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """The version of a piece of code, with the parts it is made of, sorted by kind and name.

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


def code_part(kind: str, name: str, text: str, uses: Iterable[str] = ()) -> CodePart:
    """Return the part of a text; `uses` names the parts that it refers to."""
    shown = text
    if len(text) > TEXT_LIMIT:
        shown = f"{text[:TEXT_LIMIT]}\n# (cut: the first {TEXT_LIMIT} of {len(text)} characters)"
    # A lone surrogate can stand in a string of Python, but not in a file.
    return CodePart(kind, name, digest_text(text, *uses), shown.encode("utf-8", "backslashreplace").decode())


def code_digest(parts: Iterable[CodePart]) -> str:
    """Return the code version that some parts make, in whatever order they come."""
    words = sorted((part.kind, part.name, part.digest) for part in parts)
    return digest_text("code 2", *(word for each in words for word in each))


class CodeReader:
    """Reads code versions; keeps parsed files and finished parts, so one reader serves one loaded state of a project.

    `is_project_file` decides which source files are followed. It is also asked about an `__init__.py` in the folders
    around them, existing or not, to find the folder of the project, which never enters a digest.
    """

    def __init__(self, is_project_file: Callable[[str], bool]) -> None:
        self._parts = PartReader(is_project_file)

    def version(
        self,
        *targets: Callable[..., object] | type,
        interface: Sequence[str] = (),
        more: Iterable[CodePart] = (),
    ) -> CodeVersion:
        """Return the version of functions or classes of the project, read as one piece of code.

        `interface` says, line by line, what the code is handed; `more` are parts that count too.
        """
        entries = [self._parts.entry(target) for target in targets]
        first = {entry.key for entry in entries}
        names: dict[Key, str] = {}
        count: collections.Counter[str] = collections.Counter()
        reached: list[Part] = []
        pending = entries[::-1]
        while pending:
            following = pending.pop()
            if following.key in names:
                continue
            count[following.name] += 1
            again = count[following.name]  # two closures of one function are two parts
            names[following.key] = f"{following.name}#{again}" if again > 1 else following.name
            reached.append(self._parts.part(following, is_entry=following.key in first))
            pending.extend(reversed(reached[-1].edges))
        lines = [*(f"begins with {names[entry.key]}" for entry in entries), *interface]
        parts = [
            *(
                code_part(_kind(part), names[part.target.key], part.text, [names[edge.key] for edge in part.edges])
                for part in reached
            ),
            code_part(INTERFACE, "shape", "\n".join(lines)),
            *more,
        ]
        parts.sort(key=lambda part: (part.kind, part.name))
        return CodeVersion(
            digest=code_digest(parts),
            parts=tuple(parts),
            libraries=tuple(sorted({name for part in reached for name in part.libraries})),
            unknown=tuple(sorted({name for part in reached for name in part.unknown})),
        )


def _kind(part: Part) -> str:
    """Return the kind of a part; what a version is asked of may be a value, such as a bound method."""
    return "global" if part.target.kind == "value" else part.target.kind
