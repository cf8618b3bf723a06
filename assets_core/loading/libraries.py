"""Which versions of declared libraries are installed, and which libraries that code uses are not declared.

Called by `build.py`, and by `remember.py` to see whether they still are. It imports none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import metadata

from ..errors import UserError, did_you_mean
from ..model.code_part import CodePart
from ..versions.code import code_part

_OWN = "assets_core"


class Libraries:
    """Looks libraries up, by the name of a distribution or of an import; each once, so one serves one load.

    `installed` collects what was found: the version of each distribution.
    """

    def __init__(self) -> None:
        self.installed: dict[str, str] = {}
        self._parts: dict[str, CodePart] = {}
        self._imports: dict[str, frozenset[str]] = {}

    def part(self, name: str) -> CodePart:
        """Return the part of a library. Raises: UserError where it is not installed."""
        if name not in self._parts:
            found = {each: metadata.version(each) for each in _distributions(name)}
            self.installed |= found
            self._imports[name] = frozenset().union([name], *(_imported(each) for each in found))
            lines = [f"{each} {version}" for each, version in sorted(found.items())]
            self._parts[name] = code_part("library", name, "\n".join(lines))
        return self._parts[name]

    def not_followed(self, used: Iterable[str], declared: Iterable[str]) -> tuple[str, ...]:
        """Return the imported names, of some that code uses, that no declared library has."""
        covered = frozenset().union(*(self._imports[name] for name in declared if name in self._imports))
        return tuple(name for name in used if name != _OWN and name not in covered)


def are_installed(versions: Mapping[str, str]) -> bool:
    """Tell whether each distribution is still there in its version."""
    try:
        return all(metadata.version(name) == version for name, version in versions.items())
    except metadata.PackageNotFoundError:
        return False


def _distributions(name: str) -> list[str]:
    """Return the distributions of a name: the one that is called so, else those in which a module is."""
    try:
        return [metadata.distribution(name).name]
    except (metadata.PackageNotFoundError, ValueError):
        by_import = metadata.packages_distributions()
        if name in by_import:
            return sorted(set(by_import[name]))
        near = did_you_mean(name, {*by_import, *(each for found in by_import.values() for each in found)})
        raise UserError(
            f"library {name!r} is not installed{near}",
            remedy="name an installed package, as pip or as an import calls it",
        ) from None


def _imported(distribution: str) -> set[str]:
    """Return the top-level names that a distribution gives to imports."""
    found = metadata.distribution(distribution)
    listed = (found.read_text("top_level.txt") or "").split()
    files = [file for file in found.files or () if file.suffix in (".py", ".so", ".pyd")]
    return {*listed, *(file.parts[0].partition(".")[0] for file in files if file.parts)}
