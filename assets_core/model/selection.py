"""Selection: the text that picks cells, as a tree.

Read by every command that takes a selection; `pick.py` says what a tree picks. It must not know what there is to pick.

    flights, marts/*           an asset key; `*` stands for any letters, `/` too
    tag:domain, tag:domain=fl* has the tag, or has it with that value
    owner:team:ops             has the owner; group:marts and kind:sql likewise
    state:stale|missing        the cells in one of the states stale, missing, fresh, failed
    cause:code_changed|missing the cells that are stale for one of these causes
    partition:2013-01..2013-03 the cells in a range of partitions, as in --partitions
    changed-since:2026-01-31   the cells whose current version is newer than a time, or than a record of the journal
    +x, x+, 2+x+1              with all ancestors, with all descendants, with those at most so many edges away
    not x, x and y, x or y     in this precedence; a comma or a space between terms is an `or`
    +(x or y)                  parentheses

The first three pick all cells of assets. A value in `tag:`, `owner:` and `group:` may hold `*`. A value in double
quotes may hold any letter, as in partition:"eu west, 1"; a quote in it is written twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import SelectionError, did_you_mean
from .asset import AssetKind

STATES = ("stale", "missing", "fresh", "failed")

_METHODS = ("tag", "owner", "group", "kind", "state", "cause", "partition", "changed-since")
_WORDS = ("and", "or", "not")
_DEEPEST = 50  # parentheses and `not` in each other; the reader calls itself for each
_KEY = re.compile(r"[A-Za-z_*][A-Za-z0-9_/*]*")  # no digit first: 2+x3 is x3 with what is two edges up
_TERM = re.compile(r'([^":]*):(.*)', re.DOTALL)
_TAG = re.compile(r'((?:"(?:[^"]|"")*"|[^"=])*)(?:(=)(.*))?', re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<up>(?<![^\s(,])[0-9]{0,6}\+(?=[^\s),+]))
      | (?P<down>(?<=[^\s(,])\+[0-9]{0,6}(?=[\s),]|$))
      | (?P<mark>[(),])
      | (?P<word>(?:(?P<quote>")(?:[^"]|"")*(?:"|(?P<unclosed>\Z))|[^\s(),+"])+)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Named:
    """The assets whose key matches."""

    pattern: str

    def __str__(self) -> str:
        return f'"{self.pattern}"' if self.pattern in _WORDS else self.pattern


@dataclass(frozen=True, slots=True)
class Tagged:
    """The assets with a tag, of any value where `value` is None."""

    name: str
    value: str | None = None

    def __str__(self) -> str:
        return f"tag:{_quoted(self.name, '=')}" + ("" if self.value is None else f"={_quoted(self.value)}")


@dataclass(frozen=True, slots=True)
class Owned:
    """The assets with an owner that matches."""

    pattern: str

    def __str__(self) -> str:
        return f"owner:{_quoted(self.pattern)}"


@dataclass(frozen=True, slots=True)
class Grouped:
    """The assets of the groups that match."""

    pattern: str

    def __str__(self) -> str:
        return f"group:{_quoted(self.pattern)}"


@dataclass(frozen=True, slots=True)
class OfKind:
    """The assets of a kind."""

    kind: AssetKind

    def __str__(self) -> str:
        return f"kind:{self.kind}"


@dataclass(frozen=True, slots=True)
class InState:
    """The cells in one of some states, each named once, in the order of `STATES`."""

    states: tuple[str, ...]

    def __str__(self) -> str:
        return f"state:{'|'.join(self.states)}"


@dataclass(frozen=True, slots=True)
class Caused:
    """The cells that are stale for one of some causes; which there are is for planning to say."""

    kinds: tuple[str, ...]

    def __str__(self) -> str:
        return f"cause:{_quoted('|'.join(self.kinds))}"


@dataclass(frozen=True, slots=True)
class InPartitions:
    """The cells in a range of partitions; those of assets without partitions, too."""

    ranges: str

    def __str__(self) -> str:
        return f"partition:{_quoted(self.ranges)}"


@dataclass(frozen=True, slots=True)
class ChangedSince:
    """The cells whose current version became current after a moment: a time, or a position in the journal."""

    moment: str

    def __str__(self) -> str:
        return f"changed-since:{_quoted(self.moment)}"


@dataclass(frozen=True, slots=True)
class Around:
    """A selection with the assets at most so many edges up and down of it; None is any number, 0 is nothing."""

    selection: Selection
    up: int | None
    down: int | None

    def __str__(self) -> str:
        up = "" if self.up == 0 else f"{'' if self.up is None else self.up}+"
        down = "" if self.down == 0 else f"+{'' if self.down is None else self.down}"
        return f"{up}{_inside(self.selection, Around, Not, And, Or)}{down}"


@dataclass(frozen=True, slots=True)
class Not:
    """The cells that a selection does not pick."""

    selection: Selection

    def __str__(self) -> str:
        return f"not {_inside(self.selection, And, Or)}"


@dataclass(frozen=True, slots=True)
class And:
    """The cells that each of two or more selections picks."""

    selections: tuple[Selection, ...]

    def __str__(self) -> str:
        return " and ".join(_inside(selection, And, Or) for selection in self.selections)


@dataclass(frozen=True, slots=True)
class Or:
    """The cells that any of two or more selections picks."""

    selections: tuple[Selection, ...]

    def __str__(self) -> str:
        return " or ".join(_inside(selection, Or) for selection in self.selections)


Selection = (
    Named | Tagged | Owned | Grouped | OfKind | InState | Caused | InPartitions | ChangedSince | Around | Not | And | Or
)


def _inside(selection: Selection, *loose: type[Selection]) -> str:
    return f"({selection})" if isinstance(selection, loose) else str(selection)


def _quoted(value: str, more: str = "") -> str:
    """Return a value as a text spells it: in quotes where a letter of it would end it; `more` are further such."""
    return '"{}"'.format(value.replace('"', '""')) if re.search(rf'[\s(),+"{more}]', value) else value


def _unquoted(text: str) -> str:
    """Return the value that a text spells; quotes may stand around all or a part of it."""
    return _QUOTED.sub(lambda quoted: quoted[1].replace('""', '"'), text)


def parse(text: str) -> Selection:
    """Return the selection that a text spells; `str` gives back a text that spells an equal one.

    Raises: SelectionError with the place marked under the text, where it does not follow the grammar.
    """
    if not text.strip():
        raise SelectionError("the selection is empty", remedy="write an asset key, or * for all assets")
    reader = _Reader(text)
    selection = reader.either(0)
    if reader.token is not None:
        raise reader.refusal("this ) closes nothing", remedy="remove it, or open a ( before it")
    return selection


class _Reader:
    """Reads a text token by token; `token` is the next one, None at the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self.token: re.Match[str] | None = None
        self._step()

    def _step(self) -> None:
        """Move to the next token that is not space."""
        self.token = None
        while self.token is None and self._position < len(self._text):
            self.token = _TOKEN.match(self._text, self._position)
            if self.token is None:
                raise self.refusal(
                    "this + belongs to no asset",
                    remedy="write +x or 2+x for what is upstream of x, x+ or x+2 for what is downstream, with no space",
                )
            if self.token["unclosed"] is not None:
                at = self.token.start("quote")
                raise self.refusal("this quote is not closed", remedy='add a " behind the value', at=at)
            self._position = self.token.end()
            if self.token["space"]:
                self.token = None

    def refusal(self, what: str, *, remedy: str, at: int | None = None) -> SelectionError:
        """Return the error at a position of the text, by default that of the next token."""
        position = at if at is not None else self._position if self.token is None else self.token.start()
        line = re.sub(r"\s", " ", self._text)
        return SelectionError(f"{what}\n    {line}\n    {' ' * position}^", remedy=remedy)

    def _is(self, *texts: str) -> bool:
        return self.token is not None and self.token[0] in texts

    def either(self, depth: int) -> Selection:
        parts = [self._both(depth)]
        while self.token is not None and not self._is(")"):
            if self._is(",", "or"):
                self._step()
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self, depth: int) -> Selection:
        parts = [self._one(depth)]
        while self._is("and"):
            self._step()
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self, depth: int) -> Selection:
        if depth > _DEEPEST:
            raise self.refusal(f"more than {_DEEPEST} parentheses in each other", remedy="write it with fewer")
        if self._is("not"):
            self._step()
            return Not(self._one(depth + 1))
        up = self._edges("up")
        selection = self._group(depth) if self._is("(") else self._term()
        down = self._edges("down")
        return selection if up == down == 0 else Around(selection, up, down)

    def _edges(self, side: str) -> int | None:
        """Return how far a + before or behind a selection reaches; 0 where there is none."""
        if self.token is None or not self.token[side]:
            return 0
        count = self.token[side].strip("+")
        self._step()
        return int(count) if count else None

    def _group(self, depth: int) -> Selection:
        opened = self._position - 1
        self._step()
        selection = self.either(depth + 1)
        if not self._is(")"):
            raise self.refusal("this ( is not closed", remedy="add a )", at=opened)
        self._step()
        return selection

    def _term(self) -> Selection:
        if self.token is None or not self.token["word"] or self._is(*_WORDS):
            raise self.refusal(
                "an asset is missing here", remedy="write an asset key, a pattern such as marts/*, tag:x or state:stale"
            )
        word = self.token["word"]
        term = _TERM.fullmatch(word)
        selection = self._by_method(term[1], term[2]) if term is not None else self._by_key(_unquoted(word))
        self._step()
        return selection

    def _by_key(self, word: str) -> Selection:
        if not _KEY.fullmatch(word):
            raise self.refusal(
                f"{word!r} is not an asset key",
                remedy="write words of letters, digits and _ joined by /, and * for any letters",
            )
        return Named(word)

    def _by_method(self, method: str, value: str) -> Selection:
        if method not in _METHODS:
            raise self.refusal(
                f"assets cannot be picked by {method!r}{did_you_mean(method, _METHODS)}",
                remedy=f"use one of {', '.join(f'{known}:' for known in _METHODS)}",
            )
        if method == "tag" and value:
            return self._by_tag(value)
        value = _unquoted(value)
        if not value:
            raise self.refusal(f"{method}: names nothing", remedy=f"write {method}:x")
        match method:
            case "owner":
                return Owned(value)
            case "group":
                return Grouped(value)
            case "kind":
                return OfKind(AssetKind(self._known(method, value, [kind.value for kind in AssetKind])))
            case "state":
                states = [self._known(method, state, STATES) for state in value.split("|")]
                return InState(tuple(state for state in STATES if state in states))
            case "cause":
                return Caused(tuple(dict.fromkeys(value.split("|"))))
            case "partition":
                return InPartitions(value)
            case _:
                return ChangedSince(value)

    def _by_tag(self, value: str) -> Selection:
        parts = _TAG.fullmatch(value)
        assert parts is not None  # noqa: S101  # a quote that is not closed was refused
        return Tagged(_unquoted(parts[1]), None if parts[2] is None else _unquoted(parts[3]))

    def _known(self, method: str, value: str, known: Sequence[str]) -> str:
        if value not in known:
            raise self.refusal(
                f"there is no {method} {value!r}{did_you_mean(value, known)}", remedy=f"use {', '.join(known)}"
            )
        return value
