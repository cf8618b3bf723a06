"""The difference between two versions of code names what changed, and shows how."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assets_core.model.code_part import CodePart
from assets_core.versions.code import code_digest, code_part
from assets_core.versions.code_changes import PartChange, compare

RATE = code_part("global", "shop:RATE", "RATE = 1")
TOTAL = code_part("function", "shop:total", "def total(a):\n    return a * RATE", ["shop:RATE"])


def test_an_edited_function_is_named_and_shown_as_a_unified_diff() -> None:
    edited = code_part("function", "shop:total", "def total(a):\n    return a / RATE", ["shop:RATE"])
    [change] = compare([RATE, TOTAL], [edited, RATE])
    assert (change.kind, change.name, change.change) == ("function", "shop:total", "changed")
    assert change.diff() == [
        "--- before",
        "+++ now",
        "@@ -1,2 +1,2 @@",
        " def total(a):",
        "-    return a * RATE",
        "+    return a / RATE",
    ]


def test_changes_are_sorted_by_kind_and_name_and_a_renamed_part_is_removed_and_added() -> None:
    renamed = code_part("global", "shop:SHARE", "SHARE = 1")
    library = code_part("library", "polars", "polars 2.1.0")
    changes = compare([RATE, TOTAL], [library, renamed, TOTAL])
    assert [(change.kind, change.name, change.change) for change in changes] == [
        ("global", "shop:RATE", "removed"),
        ("global", "shop:SHARE", "added"),
        ("library", "polars", "added"),
    ]
    assert changes[0].diff()[-1] == "-RATE = 1"
    assert changes[1].diff()[-1] == "+SHARE = 1"


def test_a_text_that_is_not_known_is_said_to_be_so_and_is_not_shown_as_removed() -> None:
    before = CodePart("global", "shop:RATE", "0" * 32, None)
    [change] = compare([before], [RATE])
    assert change == PartChange("global", "shop:RATE", "changed", None, "RATE = 1")
    assert change.diff() == ["(what it said before is not known: only its digest is)", " RATE = 1"]
    [gone] = compare([before], [])
    assert gone.diff() == ["(what it said before is not known: only its digest is)"]


def test_a_part_that_says_the_same_of_another_thing_says_so() -> None:
    other = code_part("function", "shop:total", TOTAL.text or "", ["shop:RATE#2"])
    [change] = compare([TOTAL], [other])
    assert change.diff() == ["(it says the same, but of two things of one name it uses another one than before)"]


def test_a_difference_behind_the_cut_is_said_to_be_there() -> None:
    before, now = (code_part("global", "shop:LONG", "x" * 30_000 + end) for end in "ab")
    [change] = compare([before], [now])
    assert change.diff() == ["(the difference lies behind the place where the text was cut)"]


kinds = st.sampled_from(["function", "class", "global", "library"])
parts = st.builds(code_part, kinds, st.sampled_from("abc"), st.sampled_from(["", "x", "y", "x\ny", "x" * 20_001]))
versions = st.lists(parts, max_size=5, unique_by=lambda part: (part.kind, part.name))


@given(versions, versions)
def test_versions_are_equal_exactly_where_nothing_differs(before: list[CodePart], now: list[CodePart]) -> None:
    changes = compare(before, now)
    assert (code_digest(before) == code_digest(now)) == (changes == ())
    assert [(change.kind, change.name) for change in changes] == sorted((c.kind, c.name) for c in changes)
    assert all(change.diff() for change in changes if change.before or change.now)


@given(versions, versions)
def test_what_was_added_one_way_was_removed_the_other_way(before: list[CodePart], now: list[CodePart]) -> None:
    opposite = {"added": "removed", "removed": "added", "changed": "changed"}
    there, back = compare(before, now), compare(now, before)
    assert [(c.kind, c.name, opposite[c.change], c.now, c.before) for c in there] == [
        (c.kind, c.name, c.change, c.before, c.now) for c in back
    ]
