"""Read the declaration of a command: its arguments with their placeholders, what it may see, what counts as its code.

Called by `builder.py`; `steps/command.py` runs what this returns. It must not know other assets.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..declare import CommandDeclaration, Upstream, declared_key
from ..errors import did_you_mean
from ..model.asset import HandOff
from ..model.code_part import CodePart
from ..model.partitions import Partitions, ProductPartitions, TimePartitions
from ..versions.code import code_part
from .command_files import CommandFiles, Wrong, search_path
from .signature import Input

FORMATS = ("parquet", "csv", "arrow", "ndjson")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|(?P<stray>[{}])")
_OWN = "ASSETS_"
_PARTITION = ("partition", "partition_start", "partition_end")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: texts, and the names of the placeholders behind each (None: no more)."""

    pieces: tuple[tuple[str, str | None], ...]

    @property
    def names(self) -> Iterator[str]:
        return (name for _, name in self.pieces if name is not None)

    def fill(self, values: Mapping[str, str]) -> str:
        return "".join(text + ("" if name is None else values[name]) for text, name in self.pieces)


@dataclass(frozen=True, slots=True)
class Command:
    """What runs for an asset: arguments, the format of its output (None: it has none), the folder that it runs in, the
    variables that it may have of the environment, and those that it is given."""

    arguments: tuple[Argument, ...]
    output: str | None
    folder: Path
    variables: tuple[str, ...]
    fixed: Mapping[str, str]


@dataclass(slots=True)
class ReadCommand:
    """A declaration, read: the command, its inputs, the parts and lines of its code, and all that is wrong with it."""

    command: Command
    inputs: tuple[Input, ...]
    parts: list[CodePart]
    lines: list[str]
    wrong: list[Wrong]


def variable_of(placeholder: str) -> str | None:
    """Return the environment variable that tells a command what a placeholder does; None where none does.

    >>> variable_of("input.orders"), variable_of("partition"), variable_of("partition_start")
    ('ASSETS_INPUT_ORDERS', 'ASSETS_PARTITION', None)
    """
    if placeholder in ("partition", "output"):
        return f"{_OWN}{placeholder.upper()}"
    kind, dot, name = placeholder.partition(".")
    return f"{_OWN}INPUT_{name.upper()}" if dot and kind in ("input", "inputs") else None


def read_command(declaration: CommandDeclaration, root: Path) -> ReadCommand:
    """Return what a declaration says, read as far as it can be; `root`: the project's folder."""
    reader = _Reader(declaration, root)
    folder = reader.folder()
    output = reader.output()
    upstreams = reader.upstreams()
    variables, fixed = reader.environment()
    texts = reader.texts("arguments", declaration.arguments, '["python", "scripts/model.py", "{output}"]')
    if not texts or not texts[0]:
        reader.say(f"arguments={declaration.arguments!r} name no command", 'write ["python", "scripts/model.py"]')
    names = _Placeholders(declaration.about.partitions, output, tuple(upstreams))
    arguments = tuple(reader.argument(text, names) for text in texts)
    used = {name for argument in arguments for name in argument.names}
    inputs = []
    for name, upstream in upstreams.items():
        one, several = f"input.{name}" in used, f"inputs.{name}" in used
        if one and several:
            reader.say(
                f"the arguments read {name!r} as a file and as a folder",
                f"write {{input.{name}}}, or {{inputs.{name}}} for a folder with a file for each partition",
            )
        key = name if upstream.asset is None else declared_key(upstream.asset)
        inputs.append(Input(name, key, upstream, HandOff.ARROW_READER, several, several))
    files = CommandFiles(root, folder, search_path(fixed, folder))
    files.take_named(reader.texts("files", declaration.files, '["scripts/model.py"]'))
    plain = [text if not any(argument.names) else "" for text, argument in zip(texts, arguments, strict=True)]
    files.take_arguments(plain)
    parts = [
        code_part("command", "arguments", "\n".join(json.dumps(text, ensure_ascii=False) for text in texts)),
        *(code_part("command", f"variable {name}", value) for name, value in sorted(fixed.items())),
        *files.parts(),
    ]
    lines = ["command", f"output: {output or 'none'}", f"runs in {folder.relative_to(root).as_posix()}"]
    lines.append(f"variables: {', '.join(sorted(variables)) or 'none'}")
    if used & {"partition_start", "partition_end"} and declaration.about.partitions is not None:
        lines.append(f"partition, {declaration.about.partitions.window_rule}")
    command = Command(arguments, output, folder, variables, fixed)
    return ReadCommand(command, tuple(inputs), parts, lines, [*reader.wrong, *files.wrong])


def file_shape(name: str, columns: Sequence[str] | None, is_folder: bool) -> str:
    """Return what a command is handed for an input, as a line of the interface."""
    text = f"input {name}: {'a folder of Parquet files by partition' if is_folder else 'a Parquet file'}"
    return text if columns is None else f"{text}, columns {list(columns)!r}"


@dataclass(frozen=True, slots=True)
class _Placeholders:
    """The names that arguments of one command can hold."""

    partitions: Partitions | None
    output: str | None
    upstreams: tuple[str, ...]

    @property
    def dimensions(self) -> tuple[str, ...]:
        if isinstance(self.partitions, ProductPartitions):
            return tuple(name for name, _ in self.partitions.dimensions)
        return ()

    @property
    def known(self) -> list[str]:
        names = ["report"]
        if self.partitions is not None:
            names.append("partition")
        if self._has_time:
            names += ["partition_start", "partition_end"]
        if self.output is not None:
            names.append("output")
        names += [f"{kind}.{name}" for name in self.upstreams for kind in ("input", "inputs")]
        return names + [f"dimension.{name}" for name in self.dimensions]

    @property
    def _has_time(self) -> bool:
        if isinstance(self.partitions, ProductPartitions):
            return sum(isinstance(part, TimePartitions) for _, part in self.partitions.dimensions) == 1
        return isinstance(self.partitions, TimePartitions)

    def found(self, name: str) -> str | None:
        """Return the one name of a placeholder: a dimension may be named alone."""
        known = self.known
        if name in known:
            return name
        return f"dimension.{name}" if name in self.dimensions else None

    def why_not(self, name: str) -> Wrong:
        """Return what is wrong with a placeholder that is not known, and the remedy."""
        if name in _PARTITION:
            lacks = "has no partitions" if self.partitions is None else "has no one time for each partition"
            return f"the arguments hold {{{name}}}, but the asset {lacks}", "give partitions=..., or leave it out"
        if name == "output":
            return "the arguments hold {output}, but there is none", f"say output=, one of {', '.join(FORMATS)}"
        near = did_you_mean(name, [*self.known, *self.dimensions])
        shown = ", ".join(f"{{{known}}}" for known in self.known)
        return f"there is no placeholder {{{name}}}{near}", f"use {shown}; write {{{{ and }}}} for braces"


@dataclass(slots=True)
class _Reader:
    """Reads one member after the other; notes what is wrong and goes on with what can be used."""

    declaration: CommandDeclaration
    root: Path
    wrong: list[Wrong] = field(default_factory=list)

    def say(self, what: str, remedy: str) -> None:
        self.wrong.append((what, remedy))

    def texts(self, member: str, value: object, example: str) -> list[str]:
        if not isinstance(value, list | tuple):
            shell = "; no shell reads it, so one text is not split" if isinstance(value, str) else ""
            self.say(f"{member}={value!r} is no list{shell}", f"write {member} as in {example}")
            return []
        wrong = [each for each in value if not isinstance(each, str) or "\0" in each]
        for each in wrong:
            self.say(f"{member} hold {each!r}, which is no text that a command can be given", "write texts, as str(5)")
        return [each for each in value if each not in wrong]

    def folder(self) -> Path:
        value = self.declaration.folder
        folder = Path(os.path.normpath(self.root / value)) if isinstance(value, str) and "\0" not in value else None
        if folder is None or not folder.is_relative_to(self.root):
            self.say(f"folder={value!r} is no folder inside of the project", 'write it relative to the project: "."')
            return self.root
        if not folder.is_dir():
            self.say(f"folder={value!r} does not exist", "make it, or name another one, relative to the project")
            return self.root
        return folder

    def output(self) -> str | None:
        value = self.declaration.output
        if value is None or (isinstance(value, str) and value in FORMATS):
            return value
        near = did_you_mean(str(value), FORMATS)
        self.say(f"output={value!r}{near}", f"use {', '.join(FORMATS)}, or None for a command that writes no file")
        return "parquet"

    def upstreams(self) -> dict[str, Upstream]:
        """Return the upstreams by the name of their input: in a list, their keys, with `_` for each slash."""
        given = self.declaration.upstreams
        pairs: Iterable[tuple[object, object]]
        if isinstance(given, Mapping):
            pairs = given.items()
        elif isinstance(given, list | tuple):
            pairs = ((str(declared_key(each)).replace("/", "_"), Upstream(each)) for each in given)
        else:
            self.say(f"upstreams={given!r}", 'write a list of keys, or a dict: {"orders": Upstream("shop/orders")}')
            return {}
        found: dict[str, Upstream] = {}
        for name, upstream in pairs:
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                self.say(f"the input {name!r} has no name of letters, digits and _", "name it in a dict of upstreams")
            elif name.upper() in map(str.upper, found):
                self.say(f"two inputs have the name {name!r}, in whatever letters", "name them in a dict of upstreams")
            elif not isinstance(upstream, Upstream):
                self.say(f"the input {name!r} is {upstream!r}", f'write "{name}": Upstream("key")')
            else:
                found[name] = upstream
        return found

    def environment(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the variables that may be seen, and those that are given with their values."""
        given = self.declaration.environment
        example = 'name variables, and give values in a dict, as in ["PATH", {"MODE": "fast"}]'
        members = [given] if isinstance(given, Mapping) else given
        if not isinstance(members, list | tuple):
            self.say(f"environment={given!r}", example)
            return (), {}
        variables: list[str] = []
        fixed: dict[str, str] = {}
        for member in members:
            for name, value in member.items() if isinstance(member, Mapping) else [(member, None)]:
                if not isinstance(name, str) or not _NAME.fullmatch(name):
                    self.say(f"environment names {name!r}, which is no variable", example)
                elif name.startswith(_OWN):
                    self.say(f"environment names {name}", f"{_OWN}... are given by themselves: leave it out")
                elif name in fixed or name in variables:
                    self.say(f"environment names {name} twice", "leave one of them out")
                elif not isinstance(member, Mapping):
                    variables.append(name)
                elif not isinstance(value, str) or "\0" in value:
                    self.say(f"environment gives {name} the value {value!r}", "give a text; without one, name it alone")
                else:
                    fixed[name] = value
        return tuple(variables), fixed

    def argument(self, text: str, names: _Placeholders) -> Argument:
        pieces: list[tuple[str, str | None]] = []
        literal, end = "", 0
        for token in _TOKEN.finditer(text):
            literal += text[end : token.start()]
            end = token.end()
            if token["name"] is not None:
                found = names.found(token["name"])
                if found is None:
                    self.say(*names.why_not(token["name"]))
                pieces.append((literal, found))
                literal = ""
            elif token["stray"] is not None:
                self.say(f"the argument {text!r} has a single {token['stray']}", "write {{ and }} for braces")
            else:
                literal += token[0][0]
        return Argument((*pieces, (literal + text[end:], None)))
