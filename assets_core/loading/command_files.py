"""Which files of a project are part of a command, and what each of them says.

Called by `commands.py`. It must not know what the command does with them.

Counted are the files that a declaration names, the arguments that are files of the project, and the modules of the
project that a Python script among them imports by a statement, in turn. Whatever is looked for, the folders are listed:
so it is noticed when a file appears there (`remember.py`).
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from ..errors import did_you_mean
from ..model.code_part import CodePart
from ..versions.code import code_part
from ..versions.code_syntax import read_source, syntax_text

FILE_PART = "file"
_READS_ITSELF = (b"__doc__", b"getsource", b"# /// ")  # for such a script its comments and docstrings can count
_NAMED_MODULE = re.compile(r"-m|--module")

Wrong = tuple[str, str]


@dataclass(slots=True)
class CommandFiles:
    """Gathers the files of one command of the project at `root`, which runs in `folder`.

    `more`: folders in which its Python finds modules, beside that of the script.
    """

    root: Path
    folder: Path
    more: tuple[Path, ...] = ()
    wrong: list[Wrong] = field(default_factory=list)
    _parts: dict[str, CodePart] = field(default_factory=dict)

    def parts(self) -> list[CodePart]:
        return list(self._parts.values())

    def take_named(self, names: Iterable[str]) -> None:
        """Count files, and all files of folders, that a declaration names; note what is wrong with a name."""
        for name in names:
            path = self._path(name)
            inside = self._inside(path)
            if inside is None:
                self.wrong.append((f"files= names {name!r}, which is outside of the project", "name files in it"))
            elif os.path.isfile(path):
                self._take(path, (path.parent, *self.more))
            elif os.path.isdir(path):
                for each in sorted(path.rglob("*")):
                    hidden = any(part.startswith((".", "__pycache__")) for part in each.relative_to(path).parts)
                    if not hidden and each.is_file():
                        self._take(each, (each.parent, *self.more))
            else:
                near = did_you_mean(path.name, _listed(path.parent))
                what = f"files= names {name!r}, but there is no such file{near}"
                self.wrong.append((what, f"name files relative to {self.folder}"))

    def take_arguments(self, arguments: Sequence[str]) -> None:
        """Count the arguments that are files of the project, also behind a `=`, and the module behind a `-m`."""
        for number, argument in enumerate(arguments):
            for text in dict.fromkeys((argument, argument.partition("=")[2])):
                path = self._path(text)
                inside = self._inside(path)
                if not text or inside is None or any(part.startswith(".") for part in inside.parts):
                    continue
                _listed(path.parent)
                if "site-packages" not in inside.parts and os.path.isfile(path):
                    self._take(path, (path.parent, *self.more))
            if number and _NAMED_MODULE.fullmatch(arguments[number - 1]):
                search = (self.folder, *self.more)
                for module in _modules((*argument.split("."), "__main__"), search):
                    self._take(module, search)

    def _path(self, text: str) -> Path:
        return Path(os.path.normpath(self.folder / text)) if "\0" not in text else Path(os.devnull)

    def _inside(self, path: Path) -> Path | None:
        return path.relative_to(self.root) if path.is_relative_to(self.root) else None

    def _take(self, path: Path, search: tuple[Path, ...]) -> None:
        """Count a file, and what it imports where it is Python."""
        inside = self._inside(path)
        if inside is None:
            return
        name = inside.as_posix().encode("utf-8", "backslashreplace").decode()  # it may be no text
        if name in self._parts:
            return
        try:
            content = path.read_bytes()
        except OSError as error:
            self.wrong.append((f"{name} cannot be read: {error.strerror}", "make it readable"))
            return
        source = read_source(str(path), lambda _: False) if path.suffix == ".py" else None
        if source is None:
            self._parts[name] = code_part(FILE_PART, name, _text(content))
            return
        kept = any(word in content for word in _READS_ITSELF)
        first = content.partition(b"\n")[0].decode("utf-8", "replace") if content.startswith(b"#!") else ""
        text = _text(content) if kept else "\n".join(filter(None, (first, syntax_text(source.tree.body))))
        self._parts[name] = code_part(FILE_PART, name, text)
        for names, level in _imports(source.tree):
            above = (path.parents[level - 1],) if 0 < level <= len(path.parents) else search
            for module in _modules(names, above):
                self._take(module, search)


def _text(content: bytes) -> str:
    """Return a file as a text; one that is none by its size and digest."""
    try:
        if b"\0" not in content:
            return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    return f"({len(content)} bytes, BLAKE3 {blake3(content).hexdigest()})"


def _imports(tree: ast.Module) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield what a module may import: names, and how many dots stand before them."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((tuple(alias.name.split(".")), 0) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = module.split(".") if module else []
                yield from (((*above, alias.name), level) for alias in names)
            case _:
                continue


def _modules(names: Sequence[str], search: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that are run when Python imports a module, in whichever of the folders they are."""
    for folder in search:
        for name in names:
            listed = _listed(folder)
            if f"{name}.py" in listed:
                yield folder / f"{name}.py"
            if name not in listed:
                break
            folder = folder / name
            if "__init__.py" in _listed(folder):
                yield folder / "__init__.py"


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def search_path(fixed: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    """Return the folders of a PYTHONPATH that a declaration gives."""
    return tuple(Path(os.path.normpath(folder / each)) for each in fixed.get("PYTHONPATH", "").split(":") if each)
