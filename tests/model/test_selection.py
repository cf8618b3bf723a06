"""Selection: every tree is read back from its text, and picks what a naive reading of each cell picks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_core.errors import Place, SelectionError
from assets_core.model.asset import Asset, AssetKind, Edge
from assets_core.model.graph import Graph
from assets_core.model.keys import AssetKey
from assets_core.model.mapping import AllPartitions
from assets_core.model.pick import is_of_assets, pick, pick_assets
from assets_core.model.selection import (
    STATES,
    And,
    Around,
    Caused,
    ChangedSince,
    Grouped,
    InPartitions,
    InState,
    Named,
    Not,
    OfKind,
    Or,
    Owned,
    Selection,
    Tagged,
    parse,
)

A, B, C, D = (Named(name) for name in "abcd")


def asset(
    key: str, *upstreams: str, owners: tuple[str, ...] = (), group: str = "default", sql: bool = False, **tags: str
) -> Asset:
    kind = AssetKind.SQL if sql else AssetKind.FUNCTION if upstreams else AssetKind.EXTERNAL
    return Asset(
        AssetKey(key),
        kind,
        Place("assets.py"),
        "0" * 32,
        edges=tuple(Edge(up, AssetKey(up), AllPartitions()) for up in upstreams),
        owners=owners,
        group=group,
        tags=tags,
    )


FLIGHTS = Graph(
    [
        asset("raw/flights", domain="flights"),
        asset("raw/planes", owners=("ann@x.org",), domain="fleet"),
        asset("flights", "raw/flights", group="core", domain="flights", tier="1", owners=("team:ops",)),
        asset("planes", "raw/planes", group="core", domain="fleet"),
        asset("flights_daily", "flights", group="marts", sql=True, owners=("team:ops", "team:bi")),
        asset("marts/delays", "flights_daily", "planes", group="marts", sql=True, domain="flying"),
        asset("marts/weather_daily", group="marts[x]", tier="?"),
    ]
)
EVERYTHING = frozenset(FLIGHTS.assets)
Cell = tuple[str, int]
Cells = frozenset[Cell]
RECORDED = {
    "stale": {"flights", "marts/delays", "removed"},
    "missing": {"planes"},
    "fresh": {"flights_daily", "raw/flights"},
    "failed": set(),
}


@dataclass(frozen=True)
class Sets:
    """Sets of cells that are sets: those of every asset, and what the terms that look at cells find."""

    cells: Cells
    found: Mapping[Selection, Cells]

    def of_assets(self, keys: frozenset[AssetKey]) -> Cells:
        return frozenset(cell for cell in self.cells if cell[0] in keys)

    def in_states(self, states: Sequence[str]) -> Cells:
        return frozenset().union(*(self.found[InState((state,))] for state in states))

    def with_causes(self, kinds: Sequence[str]) -> Cells:
        return self.found[Caused(tuple(kinds))]

    def in_partitions(self, ranges: str) -> Cells:
        return self.found[InPartitions(ranges)]

    def changed_since(self, moment: str) -> Cells:
        return self.found[ChangedSince(moment)]

    def assets(self, cells: Cells) -> frozenset[AssetKey]:
        return frozenset(AssetKey(asset) for asset, _ in cells)

    def others(self, cells: Cells) -> Cells:
        return self.cells - cells

    def both(self, one: Cells, other: Cells) -> Cells:
        return one & other

    def either(self, one: Cells, other: Cells) -> Cells:
        return one | other


ONE_EACH = frozenset((str(key), 0) for key in FLIGHTS.assets)
ONE_CELL = Sets(
    ONE_EACH,
    {InState((state,)): ONE_EACH & {(key, 0) for key in keys} for state, keys in RECORDED.items()},
)


def picked(selection: Selection | str) -> set[str]:
    """The assets of which a cell is picked, where each has one."""
    tree = parse(selection) if isinstance(selection, str) else selection
    return {key for key, _ in pick(tree, FLIGHTS, ONE_CELL)}


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a", A),
        ("marts/delays", Named("marts/delays")),
        ("+a", Around(A, None, 0)),
        ("a+", Around(A, 0, None)),
        ("+a+", Around(A, None, None)),
        ("2+a", Around(A, 2, 0)),
        ("a+3", Around(A, 0, 3)),
        ("2+a+3", Around(A, 2, 3)),
        ("02+a", Around(A, 2, 0)),
        ("0+a+0", A),
        ("a or b", Or((A, B))),
        ("a b", Or((A, B))),
        ("a,b", Or((A, B))),
        ("a , b\n\tc", Or((A, B, C))),
        ("a and b or c and d", Or((And((A, B)), And((C, D))))),
        ("a b and c", Or((A, And((B, C))))),
        ("not a and b", And((Not(A), B))),
        ("not a b", Or((Not(A), B))),
        ("not (a b)", Not(Or((A, B)))),
        ("not not a", Not(Not(A))),
        ("not(a)and(b)", And((Not(A), B))),
        ("not +a", Not(Around(A, None, 0))),
        ("+(not a)", Around(Not(A), None, 0)),
        ("+(a or b)", Around(Or((A, B)), None, 0)),
        ("1+(a b)+2", Around(Or((A, B)), 1, 2)),
        ("+(+a)", Around(Around(A, None, 0), None, 0)),
        ("((a))", A),
        ("(a or b) or c", Or((Or((A, B)), C))),
        ("(a and b) and c", And((And((A, B)), C))),
        ("tag:domain", Tagged("domain")),
        ("tag:domain=flights", Tagged("domain", "flights")),
        ("tag:domain=a=b", Tagged("domain", "a=b")),
        ("+tag:domain=fl*+1", Around(Tagged("domain", "fl*"), None, 1)),
        ("owner:team:ops", Owned("team:ops")),
        ("group:marts", Grouped("marts")),
        ("kind:sql", OfKind(AssetKind.SQL)),
        ("state:stale", InState(("stale",))),
        ("state:missing|stale|missing", InState(("stale", "missing"))),
        ("cause:missing", Caused(("missing",))),
        ("cause:code_changed|missing|code_changed", Caused(("code_changed", "missing"))),
        ("partition:2013-01", InPartitions("2013-01")),
        ("partition:2013-01-01..2013-01-31", InPartitions("2013-01-01..2013-01-31")),
        ("changed-since:2026-01-31T08:00", ChangedSince("2026-01-31T08:00")),
        ("changed-since:1234+", Around(ChangedSince("1234"), 0, None)),
        ('partition:"eu west, 1"', InPartitions("eu west, 1")),
        ('a and partition:"2013-01, 2013-03..2013-04" b', Or((And((A, InPartitions("2013-01, 2013-03..2013-04"))), B))),
        ('changed-since:"2026-01-31 08:00+01:00"', ChangedSince("2026-01-31 08:00+01:00")),
        ('+(changed-since:"1"+2)', Around(Around(ChangedSince("1"), 0, 2), None, 0)),
        ('partition:"(a) ""b"" +c"', InPartitions('(a) "b" +c')),
        ('partition:a"b, "c', InPartitions("ab, c")),
        ('owner:"the team (all)"', Owned("the team (all)")),
        ('tag:domain="fl* or not"', Tagged("domain", "fl* or not")),
        ('tag:"a=b"="c=d"', Tagged("a=b", "c=d")),
        ('tag:"a b"', Tagged("a b")),
        ('tag:domain=""', Tagged("domain", "")),
        ('"and" or "a"', Or((Named("and"), A))),
        ('state:"stale|missing"', InState(("stale", "missing"))),
        ("android", Named("android")),
        ("order_notes", Named("order_notes")),
    ],
)
def test_what_a_text_spells(text: str, tree: Selection) -> None:
    assert parse(text) == tree
    assert parse(str(tree)) == tree


@pytest.mark.parametrize(
    ("text", "at", "what", "remedy"),
    [
        ("a and", 5, "missing", "asset key"),
        ("a or , b", 5, "missing", "asset key"),
        ("a,,b", 2, "missing", "asset key"),
        ("a,", 2, "missing", "asset key"),
        ("and a", 0, "missing", "asset key"),
        ("()", 1, "missing", "asset key"),
        ("not", 3, "missing", "asset key"),
        ("+and", 1, "missing", "asset key"),
        ("a (b or", 7, "missing", "asset key"),
        ("a (b or c", 2, "this ( is not closed", "add a )"),
        ("a) b", 1, "this ) closes nothing", "remove it"),
        ("a + b", 2, "belongs to no asset", "x+2"),
        ("a+b", 1, "belongs to no asset", "x+2"),
        ("a+(b)", 1, "belongs to no asset", "x+2"),
        ("++a", 0, "belongs to no asset", "x+2"),
        ("+", 0, "belongs to no asset", "x+2"),
        ("a+9999999", 1, "belongs to no asset", "x+2"),
        ("2+3", 2, "'3' is not an asset key", "letters"),
        ("b a@2013-01-01", 2, "'a@2013-01-01' is not an asset key", "letters"),
        ("a b-c", 2, "'b-c' is not an asset key", "letters"),
        ("a tags:x", 2, "'tags' (did you mean 'tag'?)", "tag:, owner:, group:, kind:, state:"),
        ("tag:", 0, "tag: names nothing", "tag:x"),
        ("kind:sqll", 0, "no kind 'sqll' (did you mean 'sql'?)", "function, sql, command, external"),
        ("state:stale|mising", 0, "no state 'mising' (did you mean 'missing'?)", "stale, missing, fresh, failed"),
        ("state:stale|", 0, "no state ''", "stale, missing, fresh, failed"),
        ("a cuase:missing", 2, "'cuase' (did you mean 'cause'?)", "changed-since:"),
        ('a partition:"', 12, "this quote is not closed", 'add a "'),
        ('a "b" c"d"" e', 7, "this quote is not closed", 'add a "'),
        ('partition:""', 0, "partition: names nothing", "partition:x"),
        ("changed-since:", 0, "changed-since: names nothing", "changed-since:x"),
        ('"a b"', 0, "'a b' is not an asset key", "letters"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_the_place_marked(
    text: str, at: int, what: str, remedy: str
) -> None:
    with pytest.raises(SelectionError) as refused:
        parse(text)
    message, line, mark = refused.value.what.split("\n")
    assert what in message
    assert line == f"    {text}"
    assert mark == f"    {' ' * at}^"
    assert remedy in refused.value.remedy


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_selection_is_refused(text: str) -> None:
    with pytest.raises(SelectionError, match="empty"):
        parse(text)


def test_the_mark_stays_under_its_word_where_lines_break() -> None:
    with pytest.raises(SelectionError) as refused:
        parse("a\nor\tb-c")
    assert refused.value.what.split("\n")[1:] == ["    a or b-c", "         ^"]


@pytest.mark.parametrize("text", ["(" * 5000 + "a" + ")" * 5000, "not " * 5000 + "a"])
def test_terms_too_deep_in_each_other_are_refused(text: str) -> None:
    with pytest.raises(SelectionError, match="in each other") as refused:
        parse(text)
    assert "fewer" in refused.value.remedy


def test_a_long_union_is_read() -> None:
    tree = parse(" ".join(f"a{n}" for n in range(5000)))
    assert isinstance(tree, Or)
    assert len(tree.selections) == 5000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flights", {"flights"}),
        ("*", EVERYTHING),
        ("marts/*", {"marts/delays", "marts/weather_daily"}),
        ("*_daily", {"flights_daily", "marts/weather_daily"}),  # * passes over /
        ("*flights", {"raw/flights", "flights"}),
        ("raw*s", {"raw/flights", "raw/planes"}),
        ("+flights_daily", {"raw/flights", "flights", "flights_daily"}),
        ("1+flights_daily", {"flights", "flights_daily"}),
        ("raw/planes+", {"raw/planes", "planes", "marts/delays"}),
        ("raw/planes+1", {"raw/planes", "planes"}),
        ("1+planes+1", {"raw/planes", "planes", "marts/delays"}),
        ("+(planes or flights)", {"raw/planes", "planes", "raw/flights", "flights"}),
        ("+tag:tier=1", {"raw/flights", "flights"}),
        ("tag:domain", EVERYTHING - {"flights_daily", "marts/weather_daily"}),
        ("tag:domain=fl*", {"raw/flights", "raw/planes", "flights", "planes", "marts/delays"}),
        ("tag:domain=fly*", {"marts/delays"}),
        ("tag:tier=?", {"marts/weather_daily"}),  # only * stands for letters
        ("owner:team:ops", {"flights", "flights_daily"}),
        ("owner:team:*", {"flights", "flights_daily"}),
        ("owner:*@x.org", {"raw/planes"}),
        ("group:marts", {"flights_daily", "marts/delays"}),
        ("group:marts[x]", {"marts/weather_daily"}),
        ("group:m*[x]", {"marts/weather_daily"}),
        ("kind:sql", {"flights_daily", "marts/delays"}),
        ("kind:external", {"raw/flights", "raw/planes", "marts/weather_daily"}),
        ("state:stale", {"flights", "marts/delays"}),
        ("state:stale|missing", {"flights", "marts/delays", "planes"}),
        ("state:failed", set()),
        ("+state:failed", set()),
        ("state:stale+", {"flights", "flights_daily", "marts/delays"}),
        ("kind:sql and not state:stale", {"flights_daily"}),
        ("flights planes and kind:sql", {"flights"}),
        ("(flights planes) and kind:sql", set()),
        ("not raw/*, raw/planes", EVERYTHING - {"raw/flights"}),
    ],
)
def test_what_a_text_picks(text: str, expected: set[str]) -> None:
    assert picked(text) == expected
    assert picked(parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        (
            "flihgts",
            "no asset matches 'flihgts' (did you mean 'flights'?)",
            "use one of flights, flights_daily, marts/",
        ),
        ("delays", "(did you mean 'marts/delays'?)", "use one of"),
        ("mart/*", "no asset matches 'mart/*'", "use one of"),
        ("flights and not plane", "(did you mean 'planes'?)", "use one of"),
        ("tag:domian", "no tag matches 'domian' (did you mean 'domain'?)", "use one of domain, tier"),
        ("tag:dom*", "no tag matches 'dom*'", "use one of domain, tier"),
        ("tag:domain=flight", "no value of the tag 'domain' matches 'flight' (did you mean", "fleet, flights, flying"),
        ("tag:domain=", "no value of the tag 'domain' matches ''", "fleet, flights, flying"),
        ("owner:team:op", "no owner matches 'team:op' (did you mean 'team:ops'?)", "ann@x.org, team:bi, team:ops"),
        ("group:mart", "no group matches 'mart' (did you mean 'marts'?)", "use one of core, default, marts"),
    ],
)
def test_a_name_that_matches_nothing_is_refused_with_what_there_is(text: str, what: str, remedy: str) -> None:
    with pytest.raises(SelectionError) as refused:
        picked(text)
    assert what in refused.value.what
    assert remedy in refused.value.remedy


def test_a_name_in_a_project_without_any_is_refused() -> None:
    with pytest.raises(SelectionError) as refused:
        pick_assets(parse("a or owner:x"), Graph([asset("a")]))
    assert "no asset has any owner" in refused.value.remedy


def test_a_pattern_of_many_stars_is_matched_in_no_time() -> None:
    long = Graph([asset("a" * 2000)])
    with pytest.raises(SelectionError, match="no asset matches"):
        pick_assets(parse("*a" * 40 + "*b"), long)


values = st.text(min_size=1) | st.sampled_from(['"', "a b", "(a, +b)", '""', "A..B", "=", "|", "é\n"])
MADE_UP = [Caused(("missing",)), Caused(("x", "y z")), InPartitions("a, b"), ChangedSince("12"), ChangedSince('"')]
leaves: st.SearchStrategy[Selection] = st.one_of(
    st.from_regex(r"[a-z_*][a-z0-9_/*]{0,3}", fullmatch=True)
    .filter(lambda t: t not in {"and", "or", "not"})
    .map(Named),
    st.sampled_from([Named("*"), Named("*flights*"), Named("raw/*"), *(Named(key) for key in FLIGHTS.assets)]),
    st.builds(Tagged, st.sampled_from(["domain", "tier"]), st.sampled_from([None, "fl*", "flights", "*", "1"])),
    st.sampled_from(["team:*", "*", "team:ops", "ann@x.org"]).map(Owned),
    st.sampled_from(["core", "mart*", "*"]).map(Grouped),
    st.sampled_from(AssetKind).map(OfKind),
    st.lists(st.sampled_from(STATES), min_size=1, unique=True).map(
        lambda states: InState(tuple(sorted(states, key=STATES.index)))
    ),
    st.sampled_from(MADE_UP),
)
spelled = st.one_of(
    leaves,
    values.map(Owned),
    values.map(Grouped),
    st.builds(Tagged, st.text(), st.none() | st.text()).filter(lambda tag: tag != Tagged("")),
    values.map(InPartitions),
    values.map(ChangedSince),
    st.lists(st.text().filter(lambda text: "|" not in text), min_size=1, unique=True)
    .filter(lambda kinds: kinds != [""])
    .map(lambda kinds: Caused(tuple(kinds))),
    st.sampled_from(["and", "or", "not"]).map(Named),
)
reaches = st.none() | st.integers(0, 12)


def grown(inner: st.SearchStrategy[Selection]) -> st.SearchStrategy[Selection]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    around = st.tuples(inner, reaches, reaches).filter(lambda parts: parts[1:] != (0, 0))
    return st.one_of(around.map(lambda parts: Around(*parts)), inner.map(Not), several.map(And), several.map(Or))


trees = st.recursive(leaves, grown, max_leaves=8)
spelled_trees = st.recursive(spelled, grown, max_leaves=6)


@settings(max_examples=400, deadline=None)
@given(spelled_trees)
def test_a_tree_is_read_back_from_its_text(tree: Selection) -> None:
    assert parse(str(tree)) == tree
    assert str(parse(str(tree))) == str(tree)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "b/c",
                "tag:x=*",
                "state:stale",
                "and",
                "or",
                "not",
                "(",
                ")",
                ",",
                "+",
                " ",
                "2",
                "é",
                "\n",
                '"',
                '"b c"',
                "partition:",
            ]
        )
    ).map("".join)
    | st.text()
)
def test_any_text_is_either_read_or_refused(text: str) -> None:
    try:
        tree = parse(text)
    except SelectionError:
        return
    assert parse(str(tree)) == tree


class MatchesNothingError(Exception):
    """A name that no asset has."""


def distances(graph: Graph) -> dict[tuple[str, str], int]:
    """How many edges downstream one asset is from another, by trying ever longer ways."""
    found: dict[tuple[str, str], int] = {(key, key): 0 for key in graph.assets}
    for length in range(1, len(graph.assets)):
        for (start, key), distance in list(found.items()):
            if distance == length - 1:
                for asset in graph.assets.values():
                    if key in {edge.upstream for edge in asset.edges}:
                        found.setdefault((start, asset.key), length)
    return found


DISTANCES = distances(FLIGHTS)


def texts_of(selection: Selection, asset: Asset) -> Iterator[tuple[str, str]]:
    """The patterns of a leaf that names something, and the asset's texts that they are held against."""
    match selection:
        case Named(pattern):
            yield pattern, asset.key
        case Owned(pattern):
            yield from ((pattern, owner) for owner in asset.owners)
        case Grouped(pattern):
            yield pattern, asset.group
        case Tagged(name, value):
            if name in asset.tags:
                yield "*" if value is None else value, asset.tags[name]


def naive(selection: Selection, sets: Sets) -> set[Cell]:
    """What a selection picks, cell by cell."""
    match selection:
        case OfKind(kind):
            return {cell for cell in sets.cells if FLIGHTS.assets[AssetKey(cell[0])].kind == kind}
        case InState(states):
            return {cell for cell in sets.cells if any(cell in sets.found[InState((state,))] for state in states)}
        case Caused() | InPartitions() | ChangedSince():
            return {cell for cell in sets.cells if cell in sets.found[selection]}
        case Not(inner):
            left = naive(inner, sets)
            return {cell for cell in sets.cells if cell not in left}
        case And(parts):
            every = [naive(part, sets) for part in parts]
            return {cell for cell in sets.cells if all(cell in one for one in every)}
        case Or(parts):
            every = [naive(part, sets) for part in parts]
            return {cell for cell in sets.cells if any(cell in one for one in every)}
        case Around(inner, up, down):
            centre = naive(inner, sets)
            never = math.inf
            return centre | {
                cell
                for cell in sets.cells
                for one in {key for key, _ in centre} - {cell[0]}
                if DISTANCES.get((cell[0], one), never) <= (99 if up is None else up)
                or DISTANCES.get((one, cell[0]), never) <= (99 if down is None else down)
            }
        case _:
            found: set[str] = {
                key
                for key, asset in FLIGHTS.assets.items()
                for pattern, text in texts_of(selection, asset)
                if re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text)
            }
            if not found:
                raise MatchesNothingError
            return {cell for cell in sets.cells if cell[0] in found}


EVERY_CELL = sorted((str(key), number) for key in FLIGHTS.assets for number in range(2))
some_cells = st.frozensets(st.sampled_from(EVERY_CELL))


@st.composite
def worlds(draw: st.DrawFn) -> Sets:
    """Two cells an asset, each in one state or in none, with other terms that find any cells."""
    found: dict[Selection, Cells] = {term: draw(some_cells) for term in MADE_UP}
    state_of = {cell: draw(st.sampled_from([*STATES, "none"])) for cell in EVERY_CELL}
    for state in STATES:
        found[InState((state,))] = frozenset(cell for cell in EVERY_CELL if state_of[cell] == state)
    return Sets(frozenset(EVERY_CELL), found)


@settings(max_examples=500, deadline=None)
@given(trees, worlds())
def test_a_selection_picks_what_a_naive_reading_picks(tree: Selection, sets: Sets) -> None:
    try:
        expected = naive(tree, sets)
    except MatchesNothingError:
        with pytest.raises(SelectionError, match="matches"):
            pick(tree, FLIGHTS, sets)
        return
    assert pick(parse(str(tree)), FLIGHTS, sets) == expected
    if is_of_assets(tree):
        assert pick_assets(tree, FLIGHTS) == {key for key, _ in expected}


def test_what_is_around_cells_is_whole_assets_and_they_stay_cells() -> None:
    sets = Sets(frozenset(EVERY_CELL), {InState(("failed",)): frozenset({("flights", 1)})})
    assert pick(parse("state:failed+"), FLIGHTS, sets) == {
        ("flights", 1),
        *((key, number) for key in ("flights_daily", "marts/delays") for number in range(2)),
    }
    assert pick(parse("+state:failed and not raw/*"), FLIGHTS, sets) == {("flights", 1)}


def test_a_part_that_looks_at_cells_is_not_told_of_assets_alone() -> None:
    assert is_of_assets(parse("+(a or not tag:x) and kind:sql"))
    assert not is_of_assets(parse("+(a or not partition:x) and kind:sql"))
    with pytest.raises(TypeError, match="partition:x"):
        pick_assets(parse("a or partition:x"), Graph([asset("a")]))
