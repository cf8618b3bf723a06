"""Selection: the text that picks assets, as a tree, and the assets that it picks from a graph.

Used by every command that takes assets. It must not know how a state is found: the caller passes `in_state`.

    flights, marts/*           an asset key; `*` stands for any letters, `/` too
    tag:domain, tag:domain=fl* has the tag, or has it with that value
    owner:team:ops             has the owner; group:marts and kind:sql likewise
    state:stale|missing        is in one of the states stale, missing, fresh, failed
    +x, x+, 2+x+1              with all ancestors, with all descendants, with those at most so many edges away
    not x, x and y, x or y     in this precedence; a comma or a space between terms is an `or`
    +(x or y)                  parentheses

A value in `tag:`, `owner:` and `group:` may hold `*`. A letter of `( ) , +` or a space in it is matched by `*`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..errors import SelectionError, did_you_mean
from .asset import Asset, AssetKind
from .graph import Graph
from .keys import AssetKey

STATES = ("stale", "missing", "fresh", "failed")

_METHODS = ("tag", "owner", "group", "kind", "state")
_DEEPEST = 50  # parentheses and `not` in each other; the reader calls itself for each
_KEY = re.compile(r"[A-Za-z_*][A-Za-z0-9_/*]*")  # no digit first: 2+x3 is x3 with what is two edges up
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<up>(?<![^\s(,])[0-9]{0,6}\+(?=[^\s),+]))
      | (?P<down>(?<=[^\s(,])\+[0-9]{0,6}(?=[\s),]|$))
      | (?P<mark>[(),])
      | (?P<word>[^\s(),+]+)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Named:
    """The assets whose key matches."""

    pattern: str

    def __str__(self) -> str:
        return self.pattern


@dataclass(frozen=True, slots=True)
class Tagged:
    """The assets with a tag, of any value where `value` is None."""

    name: str
    value: str | None = None

    def __str__(self) -> str:
        return f"tag:{self.name}" if self.value is None else f"tag:{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class Owned:
    """The assets with an owner that matches."""

    pattern: str

    def __str__(self) -> str:
        return f"owner:{self.pattern}"


@dataclass(frozen=True, slots=True)
class Grouped:
    """The assets of the groups that match."""

    pattern: str

    def __str__(self) -> str:
        return f"group:{self.pattern}"


@dataclass(frozen=True, slots=True)
class OfKind:
    """The assets of a kind."""

    kind: AssetKind

    def __str__(self) -> str:
        return f"kind:{self.kind}"


@dataclass(frozen=True, slots=True)
class InState:
    """The assets in one of some states, each named once, in the order of `STATES`."""

    states: tuple[str, ...]

    def __str__(self) -> str:
        return f"state:{'|'.join(self.states)}"


@dataclass(frozen=True, slots=True)
class Around:
    """A selection with what lies at most so many edges up and down of it; None is any number, 0 is nothing."""

    selection: Selection
    up: int | None
    down: int | None

    def __str__(self) -> str:
        up = "" if self.up == 0 else f"{'' if self.up is None else self.up}+"
        down = "" if self.down == 0 else f"+{'' if self.down is None else self.down}"
        return f"{up}{_inside(self.selection, Around, Not, And, Or)}{down}"


@dataclass(frozen=True, slots=True)
class Not:
    """The assets that a selection does not pick."""

    selection: Selection

    def __str__(self) -> str:
        return f"not {_inside(self.selection, And, Or)}"


@dataclass(frozen=True, slots=True)
class And:
    """The assets that each of two or more selections picks."""

    selections: tuple[Selection, ...]

    def __str__(self) -> str:
        return " and ".join(_inside(selection, And, Or) for selection in self.selections)


@dataclass(frozen=True, slots=True)
class Or:
    """The assets that any of two or more selections picks."""

    selections: tuple[Selection, ...]

    def __str__(self) -> str:
        return " or ".join(_inside(selection, Or) for selection in self.selections)


Selection = Named | Tagged | Owned | Grouped | OfKind | InState | Around | Not | And | Or


def _inside(selection: Selection, *loose: type[Selection]) -> str:
    return f"({selection})" if isinstance(selection, loose) else str(selection)


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


def select(
    selection: Selection | str, graph: Graph, in_state: Callable[[str], frozenset[AssetKey]]
) -> frozenset[AssetKey]:
    """Return the assets of the graph that a selection picks; `in_state` gives those in a state of `STATES`.

    Raises: SelectionError where the text cannot be read, or a key, tag, owner or group matches nothing.
    """
    if isinstance(selection, str):
        selection = parse(selection)
    return _pick(selection, graph, in_state)


def _pick(selection: Selection, graph: Graph, in_state: Callable[[str], frozenset[AssetKey]]) -> frozenset[AssetKey]:
    assets = graph.assets.values()
    match selection:
        case Named(pattern):
            return _matching("asset", pattern, ((asset.key, asset) for asset in assets))
        case Tagged(name, value):
            tagged = _matching("tag", name, ((tag, asset) for asset in assets for tag in asset.tags), exact=True)
            if value is None:
                return tagged
            valued = ((asset.tags[name], asset) for asset in assets if name in asset.tags)
            return _matching(f"value of the tag {name!r}", value, valued)
        case Owned(pattern):
            return _matching("owner", pattern, ((owner, asset) for asset in assets for owner in asset.owners))
        case Grouped(pattern):
            return _matching("group", pattern, ((asset.group, asset) for asset in assets))
        case OfKind(kind):
            return frozenset(asset.key for asset in assets if asset.kind is kind)
        case InState(states):
            # a state may be recorded of an asset that is no longer defined
            return frozenset(graph.assets.keys() & frozenset[AssetKey]().union(*map(in_state, states)))
        case Around(inner, up, down):
            picked = _pick(inner, graph, in_state)
            return picked | graph.ancestors(picked, up) | graph.descendants(picked, down)
        case Not(inner):
            return frozenset(graph.assets) - _pick(inner, graph, in_state)
        case And(selections):
            return frozenset.intersection(*(_pick(inner, graph, in_state) for inner in selections))
        case Or(selections):
            return frozenset[AssetKey]().union(*(_pick(inner, graph, in_state) for inner in selections))


def _matching(
    word: str, pattern: str, pairs: Iterable[tuple[str, Asset]], *, exact: bool = False
) -> frozenset[AssetKey]:
    """Return the assets whose text matches; refuse a pattern that matches none."""
    of_text: dict[str, list[AssetKey]] = {}
    for text, asset in pairs:
        of_text.setdefault(text, []).append(asset.key)
    if exact or "*" not in pattern:
        found = of_text.get(pattern, [])
    else:
        only_stars = re.sub(r"[\[?]", r"[\g<0>]", pattern)
        matches = re.compile(fnmatch.translate(only_stars)).match
        found = [key for text, keys in of_text.items() if matches(text) for key in keys]
    if not found:
        known = sorted(of_text)
        ending = [f" (did you mean {text!r}?)" for text in known if text.endswith(f"/{pattern}")]
        raise SelectionError(
            f"no {word} matches {pattern!r}{ending[0] if ending else did_you_mean(pattern, known)}",
            remedy=f"use one of {', '.join(known[:8])}{' ...' if len(known) > 8 else ''}"
            if known
            else f"remove it: no asset has any {word}",
        )
    return frozenset(found)


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
        if self.token is None or not self.token["word"] or self._is("and", "or", "not"):
            raise self.refusal(
                "an asset is missing here", remedy="write an asset key, a pattern such as marts/*, tag:x or state:stale"
            )
        word = self.token["word"]
        method, colon, value = word.partition(":")
        selection = self._by_method(method, value) if colon else self._by_key(word)
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
        if not value:
            raise self.refusal(f"{method}: names nothing", remedy=f"write {method}:x")
        match method:
            case "tag":
                name, equals, wanted = value.partition("=")
                return Tagged(name, wanted if equals else None)
            case "owner":
                return Owned(value)
            case "group":
                return Grouped(value)
            case "kind":
                return OfKind(AssetKind(self._known(method, value, [kind.value for kind in AssetKind])))
            case _:
                states = [self._known(method, state, STATES) for state in value.split("|")]
                return InState(tuple(state for state in STATES if state in states))

    def _known(self, method: str, value: str, known: Sequence[str]) -> str:
        if value not in known:
            raise self.refusal(
                f"there is no {method} {value!r}{did_you_mean(value, known)}", remedy=f"use {', '.join(known)}"
            )
        return value
