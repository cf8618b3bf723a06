"""The code version changes with every edit that can change a result, and with no other.

Small projects are written to a folder, imported, edited and imported again.
"""

from __future__ import annotations

import importlib
import itertools
import os
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_core.versions.code import CodeReader, CodeVersion, digest_text
from assets_core.versions.code_changes import compare

RATES = '''
"""Rates."""

import enum
from dataclasses import dataclass

RATE = 0.2
SHARE = 0.5
LIMITS = {"low": 1, "high": [10, 20]}
UNRELATED = 7


class Kind(enum.Enum):
    NEAR = "near"
    FAR = "far"


class Rule:
    """A rule."""

    factor = 3

    def apply(self, value):
        """Apply it."""
        return value * self.factor

    @property
    def name(self):
        return "rule"

    @staticmethod
    def shift(value):
        return value + 11

    @classmethod
    def make(cls, value=12):
        return value


class Steep(Rule):
    offset = 1

    def apply(self, value):
        return super().apply(value) + self.offset


@dataclass(frozen=True)
class Point:
    x: int = 0
    y: int = 0


ORIGIN = Point(1, 2)


def surcharge(value, share=SHARE):
    # a comment
    return _rounded(value * RATE) * share


def _rounded(value):
    """Round."""
    return round(value, 2)


def unrelated(value):
    return value - 1


async def fetch(value):
    return value + 31


def stream(value):
    yield value + 32
'''

WRAP = """
import functools


def repeated(times):
    def around(function):
        @functools.wraps(function)
        def wrapper(*args):
            result = 0
            for _ in range(times):
                result += function(*args)
            return result

        return wrapper

    return around
"""

FLIGHTS = """
import functools

import pricing.rates as rates
from pricing import *
from pricing.rates import Kind, Steep, surcharge
from pricing.wrap import repeated


def scale(value, by):
    return value * by


def make(step):
    def inner(value):
        return value + step

    return inner


def trusted(function):
    return function


advance = make(4)
twice = functools.partial(scale, by=2)
shorten = lambda text: text[:3]
first, second = (lambda a: a + 41), (lambda a: a + 42)
table = {"advance": advance, "shorten": shorten}
counter = 0
counter = counter + 5


@repeated(6)
def jitter(value):
    return value + 7


@functools.lru_cache(maxsize=8)
def cached(value):
    return value + 9


def other(value):
    return value + rates.UNRELATED


def delays(frame: "Frame", limit: int = 100, *, floor=-1):
    '''What is late.'''
    from pricing.late import lateness

    def nested(value):
        return value + 13

    total = surcharge(frame) + advance(twice(limit)) + nested(floor)
    total += rates.LIMITS["low"] + Steep().apply(total) + jitter(1) + cached(2) + counter + starred(1)
    label = shorten("delay") + "x" + rates.Kind.NEAR.value
    for unrelated in (1, 2):
        total += unrelated
    return [total, label, table, second(1), lateness(total), rates.ORIGIN, rates.fetch, rates.stream]
"""

LATE = """
def lateness(value):
    return value + 21


def earliness(value):
    return value + 22
"""

FILES = {
    "pricing/__init__.py": "from pricing.stars import *\n",
    "pricing/stars.py": "def starred(value):\n    return value + 51\n",
    "pricing/rates.py": RATES,
    "pricing/wrap.py": WRAP,
    "pricing/late.py": LATE,
    "flights.py": FLIGHTS,
}


def below(root: Path) -> Callable[[str], bool]:
    return lambda file: Path(file).is_relative_to(root)


class Project:
    """A folder of modules that can be written, imported afresh and asked for versions."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")

    def load(self, module: str) -> Any:
        self.forget()
        return importlib.import_module(module)

    def forget(self) -> None:
        importlib.invalidate_caches()
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(self.root)):
                del sys.modules[name]

    def reader(self) -> CodeReader:
        return CodeReader(below(self.root))

    def version(self, target: str = "flights:delays") -> CodeVersion:
        module, _, name = target.partition(":")
        return self.reader().version(getattr(self.load(module), name))

    def version_of(self, source: str) -> CodeVersion:
        """Return the version of the function `entry` in a module of this source."""
        self.write({"single.py": source})
        return self.version("single:entry")

    def tells_apart(self, source: str, old: str, new: str) -> bool:
        """Tell whether the version of `entry` changes when `old` becomes `new` in the source."""
        source = textwrap.dedent(source)
        assert old in source
        before, after = self.version_of(source), self.version_of(source.replace(old, new))
        assert not before.unknown
        return before.digest != after.digest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.syspath_prepend(str(tmp_path))
    # Byte code is matched by whole seconds and sizes: edits within one would go unseen.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Project(tmp_path)
    yield made
    made.forget()


def edited(file: str, old: str, new: str) -> dict[str, str]:
    assert FILES[file].count(old) == 1, f"{old!r} stands {FILES[file].count(old)} times in {file}"
    return FILES | {file: FILES[file].replace(old, new)}


SAME = {
    "a comment": ("pricing/rates.py", "# a comment", "# another comment"),
    "a blank line": ("pricing/rates.py", "# a comment\n", "# a comment\n\n\n"),
    "a docstring of a callee": ("pricing/rates.py", '"""Round."""', '"""Round it well."""'),
    "no docstring any more": ("pricing/rates.py", '    """Round."""\n', ""),
    "a docstring of the entry": ("flights.py", "'''What is late.'''", '"""Late."""'),
    "a docstring of a method": ("pricing/rates.py", '"""Apply it."""', '"""Do."""'),
    "a docstring of a class": ("pricing/rates.py", '"""A rule."""', '"""Rule."""'),
    "a docstring of a module": ("pricing/rates.py", '"""Rates."""', '"""All rates."""'),
    "parentheses": ("pricing/rates.py", "_rounded(value * RATE) * share", "(_rounded((value * RATE)) * share)"),
    "a line break": ("pricing/rates.py", "_rounded(value * RATE) * share", "_rounded(\n    value * RATE,\n) * share"),
    "spaces": ("pricing/rates.py", "super().apply(value) + self.offset",
               "super( ).apply( value )+self.offset"),
    "quotes": ("flights.py", '"delay"', "'delay'"),
    "a string in two pieces": ("flights.py", '"delay"', '"de" "lay"'),
    "a number written otherwise": ("flights.py", "limit: int = 100", "limit: int = 1_00"),
    "a semicolon": ("pricing/wrap.py", "result = 0\n", "result = 0;\n"),
    "the quotes of an annotation": ("flights.py", 'frame: "Frame"', "frame: 'Frame'"),
    "an annotation of the entry": ("flights.py", "limit: int = 100", "limit: float = 100"),
    "an unrelated function": ("pricing/rates.py", "return value - 1", "return value - 2"),
    "an unrelated constant": ("pricing/rates.py", "UNRELATED = 7", "UNRELATED = 8"),
    "another function of the module": ("flights.py", "value + rates.UNRELATED", "value - rates.UNRELATED"),
    "another function of an imported module": ("pricing/late.py", "value + 22", "value + 23"),
    "another lambda of the line": ("flights.py", "a + 41", "a + 40"),
    "a new function": ("flights.py", "advance = make(4)", "def novel():\n    return 1\n\n\nadvance = make(4)"),
    "a new import": ("flights.py", "import functools\n", "import functools\nimport json\n"),
    "the order of imports": (
        "flights.py",
        "from pricing.rates import Kind, Steep, surcharge\nfrom pricing.wrap import repeated",
        "from pricing.wrap import repeated\nfrom pricing.rates import Steep, Kind, surcharge",
    ),
    "a future import": (
        "flights.py",
        "\nimport functools\n",
        "\nfrom __future__ import annotations\nimport functools\n",
    ),
}  # fmt: skip

CHANGED = {
    "a constant of a module": ("pricing/rates.py", "RATE = 0.2", "RATE = 0.3"),
    "the type of a constant": ("pricing/rates.py", '"low": 1', '"low": 1.0'),
    "a value in a dict": ("pricing/rates.py", "[10, 20]", "[10, 21]"),
    "a key of a dict": ("pricing/rates.py", '"high"', '"top"'),
    "a callee of a callee": ("pricing/rates.py", "round(value, 2)", "round(value, 3)"),
    "an operator": ("pricing/rates.py", "value * RATE", "value + RATE"),
    "a default that is a name": ("pricing/rates.py", "SHARE = 0.5", "SHARE = 0.6"),
    "a default of the entry": ("flights.py", "limit: int = 100", "limit: int = 101"),
    "a keyword default": ("flights.py", "floor=-1", "floor=-2"),
    "a name of a parameter": ("pricing/rates.py", "def _rounded(value):", "def _rounded(value, spare=None):"),
    "a value in a closure": ("flights.py", "advance = make(4)", "advance = make(5)"),
    "the body of a closure": ("flights.py", "return value + step", "return value - step"),
    "a global bound twice": ("flights.py", "counter + 5", "counter + 6"),
    "a rebound global": ("flights.py", "counter = counter + 5", "counter = counter + 5\ncounter = 9"),
    "a changed dict": ("flights.py", "counter = 0", "counter = 0\nrates.LIMITS['more'] = 1"),
    "a partial's argument": ("flights.py", "scale, by=2", "scale, by=3"),
    "a partial's function": ("flights.py", "return value * by", "return value + by"),
    "a lambda": ("flights.py", "text[:3]", "text[:4]"),
    "the second lambda of a line": ("flights.py", "a + 42", "a + 43"),
    "a function in a dict": ("flights.py", '"shorten": shorten', '"shorten": first'),
    "a decorator's body": ("pricing/wrap.py", "result += function", "result -= function"),
    "a decorator's argument": ("flights.py", "@repeated(6)", "@repeated(7)"),
    "a decorated function": ("flights.py", "return value + 7", "return value + 8"),
    "a library decorator's argument": ("flights.py", "maxsize=8", "maxsize=9"),
    "a function in a library decorator": ("flights.py", "return value + 9", "return value + 10"),
    "a class attribute": ("pricing/rates.py", "offset = 1", "offset = 2"),
    "a base class's attribute": ("pricing/rates.py", "factor = 3", "factor = 4"),
    "a base class's method": ("pricing/rates.py", "value * self.factor", "value / self.factor"),
    "a property": ("pricing/rates.py", '"rule"', '"law"'),
    "a static method": ("pricing/rates.py", "value + 11", "value + 12"),
    "a default of a class method": ("pricing/rates.py", "value=12", "value=13"),
    "a base": ("pricing/rates.py", "class Steep(Rule)", "class Steep(Rule, list)"),
    "an enum's value": ("pricing/rates.py", '"near"', '"close"'),
    "a dataclass instance": ("pricing/rates.py", "Point(1, 2)", "Point(1, 3)"),
    "a dataclass default": ("pricing/rates.py", "y: int = 0", "y: int = 5"),
    "a nested function": ("flights.py", "value + 13", "value + 14"),
    "a function imported in the body": ("pricing/late.py", "value + 21", "value + 20"),
    "a function imported by a star": ("pricing/stars.py", "value + 51", "value + 52"),
    "an async function": ("pricing/rates.py", "value + 31", "value + 33"),
    "a generator": ("pricing/rates.py", "value + 32", "value + 34"),
    "a string": ("flights.py", '"x"', '"y"'),
    "the order of statements": (
        "flights.py",
        "        total += unrelated\n    return [total, label",
        "        total += unrelated\n    return [label, total",
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", SAME.values(), ids=SAME.keys())
def test_an_edit_without_effect_keeps_the_version(project: Project, edit: tuple[str, str, str]) -> None:
    project.write(FILES)
    before = project.version()
    project.write(edited(*edit))
    after = project.version()
    assert after.digest == before.digest
    assert after == before


@pytest.mark.parametrize("edit", CHANGED.values(), ids=CHANGED.keys())
def test_an_edit_with_effect_changes_the_version(project: Project, edit: tuple[str, str, str]) -> None:
    project.write(FILES)
    before = project.version()
    project.write(edited(*edit))
    after = project.version()
    assert after.digest != before.digest
    assert compare(before.parts, after.parts), "the parts explain every change"


def test_moving_functions_within_a_module_keeps_the_version(project: Project) -> None:
    project.write(FILES)
    before = project.version()
    start, end = RATES.index("def surcharge"), RATES.index("def _rounded")
    moved = RATES[:start] + RATES[end:] + "\n\n" + RATES[start:end]
    project.write({"pricing/rates.py": moved})
    assert project.version() == before


def names(version: CodeVersion) -> list[str]:
    return sorted(part.name for part in version.parts if part.kind != "interface")


def test_a_callee_is_named_and_shown_by_its_module_and_normalised_code(project: Project) -> None:
    project.write(FILES)
    texts = {part.name: part.text for part in project.version().parts}
    assert texts["pricing.rates:_rounded"] == "def _rounded(value):\n    return round(value, 2)"
    assert texts["pricing.rates:RATE"] == "RATE = 0.2"
    assert "pricing.rates:unrelated" not in texts


def test_recursion_has_one_version_wherever_the_reading_starts(project: Project) -> None:
    source = """
        LIMIT = 0

        def even(n):
            return n == LIMIT or odd(n - 1)

        def odd(n):
            return n != LIMIT and even(n - 1)

        def entry(n):
            return even(n) or entry(n - 2)
    """
    project.write({"single.py": source})
    module = project.load("single")
    versions = {}
    for order in itertools.permutations(("even", "odd", "entry")):
        reader = project.reader()
        found = {name: reader.version(getattr(module, name)) for name in order}
        versions[tuple(sorted(found.items(), key=lambda item: item[0]))] = order
    assert len(versions) == 1
    assert project.tells_apart(source, "n != LIMIT", "n > LIMIT")
    assert project.tells_apart(source, "LIMIT = 0", "LIMIT = 1")


def test_two_closures_of_one_function_are_told_apart(project: Project) -> None:
    source = """
        def make(step):
            def inner(value):
                return value + step
            return inner

        up, down = make(1), make(2)

        def entry(value):
            return up(value) - down(value)
    """
    assert project.tells_apart(source, "make(1), make(2)", "make(2), make(1)")
    assert names(project.version_of(source)) == [
        "single:entry",
        "single:make.<locals>.inner",
        "single:make.<locals>.inner#2",
    ]


@pytest.mark.parametrize(
    "body",
    [
        "def entry(RATE):\n    return RATE",
        "def entry(*RATE):\n    return RATE",
        "def entry(value):\n    RATE = value\n    return lambda: RATE",
        "def entry(values):\n    return [RATE for RATE in values]",
        "def entry(value):\n    return value.RATE",
        "def entry(value):\n    for RATE in value:\n        pass\n    return RATE",
        "def entry(value):\n    with value as RATE:\n        return RATE",
        "def entry(value):\n    try:\n        return 1\n    except ValueError as RATE:\n        return RATE",
        "def entry(value):\n    match value:\n        case [RATE, *_]:\n            return RATE",
        "def entry(value):\n    return (RATE := value) and RATE",
        "def entry(value):\n    class Local:\n        RATE = 1\n        DOUBLE = RATE\n    return Local",
        "def entry(value):\n    def RATE():\n        return 1\n    return RATE",
        "def entry(value):\n    import json as RATE\n    return RATE",
        "def entry(value):\n    return {'RATE': value}",
    ],
)
def test_a_local_name_hides_the_global_of_that_name(project: Project, body: str) -> None:
    assert not project.tells_apart(f"RATE = 1\n\n{body}\n", "RATE = 1\n\n", "RATE = 2\n\n")


@pytest.mark.parametrize(
    "body",
    [
        "def entry(value):\n    return [RATE for value in RATE]",
        "def entry(value):\n    def inner():\n        global RATE\n        return RATE\n    RATE = 5\n    return inner",
        "def entry(value):\n    global RATE\n    RATE += 1",
        "def entry(value):\n    class Local:\n        RATE = 5\n        def get(self):\n            return RATE",
        "def entry(value):\n    class Local:\n        DOUBLE = RATE * 2\n    return Local",
        "def entry(value):\n    return lambda other=RATE: other",
        "def entry(value):\n    return f'{value:{RATE}}'",
        "def entry(value):\n    value.attribute[RATE] = 1",
        "def entry(value):\n    return globals()['RATE']",
        "def entry(value, default=(lambda: RATE)):\n    return default",
        "class entry:\n    held = RATE",
        "class entry:\n    def method(self):\n        return RATE",
        "class entry:\n    pass\n\nentry.late = RATE",
    ],
)
def test_a_global_counts_wherever_it_is_read(project: Project, body: str) -> None:
    assert project.tells_apart(f"RATE = 1\n\n{body}\n", "RATE = 1\n\n", "RATE = 2\n\n")


def test_attributes_are_followed_through_packages_and_modules(project: Project) -> None:
    entry = """
        import pricing.deep.rates
        import pricing.deep as deep

        def entry(value):
            return pricing.deep.rates.first(value) + deep.rates.second(value)
    """
    rates = "def first(v):\n    return 1\n\ndef second(v):\n    return 2\n\ndef third(v):\n    return 3\n"
    project.write({"pricing/__init__.py": "", "pricing/deep/__init__.py": "", "pricing/deep/rates.py": rates})
    before = project.version_of(entry)
    assert names(before) == ["pricing.deep.rates:first", "pricing.deep.rates:second", "single:entry"]
    project.write({"pricing/deep/rates.py": rates.replace("return 2", "return 4")})
    assert project.version_of(entry).digest != before.digest


def test_a_constant_is_named_by_the_module_that_made_it(project: Project) -> None:
    project.write(
        {"first.py": "RATE = 0.25\n", "second.py": "from first import *\n", "third.py": "from second import RATE\n"}
    )
    version = project.version_of("from third import RATE as R\n\ndef entry():\n    return R\n")
    assert names(version) == ["first:RATE", "single:entry"]


def test_relative_imports_in_a_body_are_followed(project: Project) -> None:
    entry = "def entry():\n    from .rates import RATE\n    from . import rates\n    return RATE + rates.OTHER\n"
    project.write({"pack/__init__.py": "", "pack/rates.py": "RATE = 1\nOTHER = 2\n", "pack/entry.py": entry})
    assert names(project.version("pack.entry:entry")) == ["pack.entry:entry", "pack.rates:OTHER", "pack.rates:RATE"]


def test_a_module_used_as_a_value_counts_as_a_whole(project: Project) -> None:
    project.write({"rates.py": "RATE = 1\n\ndef fee():\n    return RATE\n"})
    entry = "import rates\n\ndef entry(name):\n    return getattr(rates, name)\n"
    before = project.version_of(entry)
    assert names(before) == ["rates", "rates:RATE", "rates:fee", "single:entry"]
    project.write({"rates.py": "RATE = 1\n\ndef fee():\n    return RATE + 1\n"})
    assert project.version_of(entry).digest != before.digest


def test_a_library_imported_in_a_body_is_named_and_not_imported(project: Project) -> None:
    unloaded = {"mailbox", "importlinter"}
    assert not unloaded & sys.modules.keys()
    version = project.version_of("""
        def entry(value):
            import mailbox
            from importlinter.cli import lint_imports
            return mailbox, lint_imports(value)
    """)
    assert version.libraries == ("importlinter",)
    assert not unloaded & sys.modules.keys()


def test_a_module_of_the_project_that_cannot_be_imported_is_unknown(project: Project) -> None:
    project.write({"broken.py": "raise RuntimeError('no')\n"})
    version = project.version_of("def entry():\n    import broken\n    return broken.rate\n")
    assert version.unknown == ("single:entry.broken.rate",)


def test_a_name_that_does_not_exist_counts_once_it_does(project: Project) -> None:
    source = "def entry():\n    return later\n"
    assert project.version_of(source).digest != project.version_of(source + "\nlater = 1\n").digest


def test_the_arguments_of_the_decorators_of_assets_core_do_not_count(project: Project) -> None:
    source = """
        import functools
        import assets_core.declare
        from assets_core.declare import asset

        daily = functools.partial(asset, group="one")

        @daily(owners=["one"])
        @asset(owners=["one"])
        @assets_core.declare.asset(tags={"team": "one"})
        def entry():
            return 1
    """
    assert not project.tells_apart(source, "one", "two")
    assert names(project.version_of(source)) == ["single:entry"]


@pytest.mark.parametrize(
    ("made", "changed"),
    [
        ("threading.Lock()", "threading.RLock()"),
        ("collections.ChainMap({'a': RATE})", "collections.ChainMap({'b': RATE})"),
        ("operator.itemgetter('a')", "operator.itemgetter('b')"),
        ("Client('a')", "Client('b')"),
        ("collections.namedtuple('thing', 'a b')", "collections.namedtuple('thing', 'a c')"),
        ("collections.namedtuple('Other', 'a b')", "collections.namedtuple('Other', 'a c')"),
        ("enum.Enum('thing', 'A B')", "enum.Enum('thing', 'A C')"),
        ("functools.lru_cache(1)(called)", "functools.lru_cache(2)(called)"),
    ],
)
def test_a_value_that_cannot_be_told_counts_by_its_source(project: Project, made: str, changed: str) -> None:
    source = f"""
        import collections, enum, functools, operator, threading

        RATE = 1

        def called():
            return 1

        class Client(threading.local):
            def __init__(self, url):
                self.url = url

        thing = {made}

        def entry():
            return thing
    """
    assert project.tells_apart(source, made, changed)


def test_what_changes_an_opaque_global_counts_too(project: Project) -> None:
    source = """
        import threading

        RATE = 1
        thing = threading.local()
        thing.rate = RATE
        thing.__dict__.update(more=11)

        def entry():
            return thing
    """
    assert project.tells_apart(source, "more=11", "more=12")
    assert project.tells_apart(source, "RATE = 1", "RATE = 2")


def test_what_another_module_puts_into_an_opaque_global_counts(project: Project) -> None:
    registry = """
        import threading

        class Registry:
            def __init__(self):
                self.lock = threading.Lock()
                self.functions = []

            def add(self, function):
                self.functions.append((threading.Lock(), function))
                return function

        REGISTRY = Registry()
    """
    project.write({"registry.py": registry})
    source = """
        from registry import REGISTRY

        @REGISTRY.add
        def registered():
            return 71

        def entry():
            return [function() for _, function in REGISTRY.functions]
    """
    assert project.tells_apart(source, "return 71", "return 72")


def test_values_that_refer_to_each_other_are_written_once_each(project: Project) -> None:
    source = """
        class Node:
            def __init__(self, rate):
                self.rate, self.others = rate, []

        nodes = [Node(rate) for rate in range(30)]
        for node in nodes:
            node.others.extend(nodes)

        def entry():
            return nodes
    """
    assert project.tells_apart(source, "range(30)", "range(1, 31)")


def test_a_logger_in_a_closure_is_known_by_its_name(project: Project) -> None:
    source = """
        import logging

        def logged(log):
            return lambda value: log.info(value)

        entry = logged(logging.getLogger("one"))
    """
    assert project.tells_apart(source, '"one"', '"two"')


def test_an_opaque_value_in_a_closure_is_unknown(project: Project) -> None:
    version = project.version_of("""
        import threading

        def make(lock, other=None):
            def inner(value, used=lock):
                return lock, value, used
            return inner

        inner = make(threading.Lock())

        def entry():
            return inner(1)
    """)
    assert version.unknown == (
        "single:make.<locals>.inner.default of used",
        "single:make.<locals>.inner.lock",
    )


@pytest.mark.parametrize("call", ["eval(value)", "exec(value)", "__import__(value)", "importlib.import_module(value)"])
def test_code_that_is_named_at_run_time_only_is_unknown(project: Project, call: str) -> None:
    assert project.version_of(f"import importlib\n\ndef entry(value):\n    return {call}\n").unknown


def test_implementations_of_a_single_dispatch_count(project: Project) -> None:
    source = """
        import functools

        @functools.singledispatch
        def show(value):
            return 1

        @show.register
        def _(value: int):
            return 22

        def entry(value):
            return show(value)
    """
    assert project.tells_apart(source, "return 22", "return 23")
    assert project.tells_apart(source, "value: int", "value: float")


@pytest.mark.filterwarnings("ignore:overriding existing custom namespace")
def test_a_namespace_registered_with_polars_counts_where_its_name_is_read(project: Project) -> None:
    source = """
        import polars as pl

        @pl.api.register_expr_namespace("fares")
        class Fares:
            def __init__(self, expr):
                self.expr = expr

            def double(self):
                return self.expr * 2

        def entry(frame):
            return frame.select(pl.col("a").fares.double())
    """
    try:
        assert project.tells_apart(source, "self.expr * 2", "self.expr * 3")
        assert names(project.version_of(source)) == ["single:Fares", "single:entry"]
    finally:
        delattr(pl.Expr, "fares")
        pl.Expr._accessors.discard("fares")


@pytest.mark.parametrize(
    ("value", "changed"),
    [
        ("pl.col('a') * 2", "pl.col('a') * 3"),
        ("pl.col('a').map_batches(lambda v: v['x'])", "pl.col('a').map_batches(lambda v: v['y'])"),
        ("pl.Int64", "pl.Int32"),
        ("pl.Datetime('us', 'UTC')", "pl.Datetime('ns', 'UTC')"),
        ("pl.Enum(['a', 'b'])", "pl.Enum(['b', 'a'])"),
        ("pl.Schema({'a': pl.Int64})", "pl.Schema({'a': pl.Int8})"),
        ("{'a': pl.List(pl.Int64)}", "{'a': pl.List(pl.Int8)}"),
        ("pl.DataFrame({'a': [1]})", "pl.DataFrame({'a': [2]})"),
    ],
)  # fmt: skip
def test_polars_values_count(project: Project, value: str, changed: str) -> None:
    source = f"import polars as pl\n\nvalue = {value}\n\ndef entry():\n    return value\n"
    assert project.tells_apart(source, value, changed)
    assert project.version_of(source).libraries == ("polars",)


@pytest.mark.parametrize(
    ("value", "changed"),
    [
        ("None", "..."),
        ("True", "1"),
        ("1", "1.0"),
        ("1.0", "(1 + 0j)"),
        ("0.0", "-0.0"),
        ("'a'", "b'a'"),
        ("[1]", "(1,)"),
        ("{1}", "frozenset({1})"),
        ("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"),
        ("['a', 'b']", "['a, b']"),
        ("[[1], 2]", "[[1, 2]]"),
        ("dt.date(2024, 1, 1)", "dt.date(2024, 1, 2)"),
        ("dt.datetime(2024, 1, 1, tzinfo=dt.UTC)", "dt.datetime(2024, 1, 1)"),
        ("dt.time(1, tzinfo=ZoneInfo('Europe/Paris'))", "dt.time(1, tzinfo=ZoneInfo('Asia/Tokyo'))"),
        ("dt.timedelta(hours=1)", "dt.timedelta(hours=2)"),
        ("Decimal('1.0')", "Decimal('1.00')"),
        ("Fraction(1, 3)", "Fraction(1, 4)"),
        ("uuid.UUID(int=1)", "uuid.UUID(int=2)"),
        ("PurePosixPath('/data/a')", "PurePosixPath('/data/b')"),
        ("re.compile('a')", "re.compile('a', re.I)"),
        ("range(3)", "range(4)"),
        ("slice(3)", "slice(4)"),
        ("int", "float"),
        ("len", "sum"),
        ("str.upper", "str.lower"),
        ("dict.fromkeys", "dict"),
        ("'a'.join", "'b'.join"),
        ("math", "re"),
        ("math.sqrt", "math.exp"),
        ("Color.RED", "Color.BLUE"),
        ("Row(1, 2)", "Row(1, 3)"),
        ("Slotted(1)", "Slotted(2)"),
        ("Listed([1])", "Listed([2])"),
        ("Slotted(1).show", "Slotted(2).show"),
        ("collections.OrderedDict(a=1)", "dict(a=1)"),
        ("collections.defaultdict(list)", "collections.defaultdict(set)"),
        ("types.MappingProxyType({'a': 1})", "types.MappingProxyType({'a': 2})"),
    ],
)  # fmt: skip
def test_values_are_told_apart_wherever_they_are_held(project: Project, value: str, changed: str) -> None:
    source = """
        import collections, datetime as dt, enum, math, re, types, uuid
        from decimal import Decimal
        from fractions import Fraction
        from pathlib import PurePosixPath
        from typing import NamedTuple
        from zoneinfo import ZoneInfo

        class Color(enum.Enum):
            RED = 1
            BLUE = 2

        class Row(NamedTuple):
            a: int
            b: int

        class Listed(list):
            pass

        class Slotted:
            __slots__ = ("a",)
            def __init__(self, a):
                self.a = a
            def show(self):
                return self.a

        def make(held):
            return lambda: held

        entry = make(VALUE)
    """.replace("VALUE", value)
    assert project.tells_apart(source, f"make({value})", f"make({changed})")


def test_a_value_that_holds_itself_has_a_version(project: Project) -> None:
    source = "ring = [1]\nring.append(ring)\n\ndef entry():\n    return ring\n"
    assert project.tells_apart(source, "[1]", "[2]")


def test_the_folder_of_the_project_does_not_count(project: Project) -> None:
    source = """
        from pathlib import Path

        HERE = Path(__file__).parent
        DATA = str(HERE / "data" / "a.csv")

        def entry():
            return HERE, DATA, __file__
    """
    (project.root / "one").mkdir()
    (project.root / "two").mkdir()
    versions = []
    for folder in ("one", "two"):
        project.write({f"{folder}/placed.py": source})
        spec = importlib.util.spec_from_file_location("placed", project.root / folder / "placed.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        versions.append(CodeReader(below(project.root / folder)).version(module.entry))
    assert versions[0].digest == versions[1].digest
    assert project.tells_apart(source, "a.csv", "b.csv")


def test_versions_are_equal_in_every_process(tmp_path: Path) -> None:
    source = """
        NAMES = {"a", "b", "c", "d", "e"}
        PAIRS = frozenset({("a", 1), ("b", 2), ("c", 3)})
        KINDS = {int, str, len, "x"}

        def entry(value, chosen=frozenset({"x", "y", "z"})):
            return value in {"u", "v", "w"} or value in NAMES | PAIRS | KINDS | chosen

        loose = {}
        exec("def typed(value, names={'a', 'b'}):\\n    return value in {'p', 'q', 'r'} or names", loose)
        typed = loose["typed"]
    """
    script = """
        import sys
        from assets_core.versions.code import CodeReader
        sys.path.insert(0, sys.argv[1])
        import single, flights
        reader = CodeReader(lambda file: file.startswith(sys.argv[1]))
        for target in (single.entry, single.typed, flights.delays):
            print(reader.version(target))
    """
    outputs = set()
    for seed in ("0", "1", "2"):
        root = tmp_path / f"checkout{seed}"
        Project(root).write(FILES | {"single.py": source})
        outputs.add(
            subprocess.run(
                [sys.executable, "-c", textwrap.dedent(script), str(root)],
                env=os.environ | {"PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
    assert len(outputs) == 1
    assert "unknown=()" in outputs.pop()


def test_code_without_source_is_told_apart(project: Project) -> None:
    def typed(source: str) -> Callable[..., object]:
        space: dict[str, Any] = {"__name__": "__main__"}
        exec(textwrap.dedent(source), space)  # noqa: S102  (the subject of the test)
        return space["entry"]  # type: ignore[no-any-return]

    source = "RATE = 1\ndef used(value):\n    return value + RATE\ndef entry(value):\n    return used(value) * 5\n"
    versions = [
        project.reader().version(typed(text)).digest
        for text in (
            source,
            source.replace("value + RATE", "value + RATE  # why"),
            source.replace("RATE = 1", "RATE = 2"),
            source.replace("value + RATE", "value - RATE"),
            source.replace("* 5", "* 6"),
        )
    ]
    assert versions[0] == versions[1]
    assert len(set(versions)) == 4


def test_an_edit_after_the_import_is_not_taken_for_what_runs(project: Project) -> None:
    project.write({"single.py": "def entry():\n    return 1\n"})
    loaded = project.load("single").entry
    before = project.reader().version(loaded)
    project.write({"single.py": "def entry():\n    return 2\n"})
    while_old_code_runs = project.reader().version(loaded)
    assert while_old_code_runs.digest != project.version("single:entry").digest
    assert "return 2" not in while_old_code_runs.parts[0].text
    assert "return 1" in before.parts[0].text


def test_annotations_of_callees_count_but_not_their_quotes(project: Project) -> None:
    source = "def used(value: int) -> list[int]:\n    return [value]\n\ndef entry(value):\n    return used(value)\n"
    assert not project.tells_apart(source, "value: int", "value: 'int'")
    assert not project.tells_apart(source, "list[int]", "'list[int]'")
    assert project.tells_apart(source, "value: int", "value: str")


def test_extra_strings_count_one_by_one(project: Project) -> None:
    project.write({"single.py": "def entry():\n    return 1\n"})
    entry = project.load("single").entry
    reader = project.reader()
    digests = [reader.version(entry, interface=extra).digest for extra in ((), ("",), ("ab",), ("a", "b"), ("b", "a"))]
    assert len(set(digests)) == 5


def test_classes_and_bound_methods_have_versions(project: Project) -> None:
    source = """
        class Held:
            rate = 1
            def total(self):
                return self.rate

        class Whole(Held):
            pass

        entry = Held().total
    """
    assert project.tells_apart(source, "rate = 1", "rate = 2")
    assert project.tells_apart(source.replace("entry = Held().total", "entry = Whole"), "return self", "return -self")


def test_the_text_is_cut_and_the_digest_is_not(project: Project) -> None:
    source = f"LONG = {list(range(9000))}\n\ndef entry():\n    return LONG\n"
    before = project.version_of(source)
    after = project.version_of(source.replace("8999", "8998"))
    assert [part.text for part in before.parts] == [part.text for part in after.parts]
    text = next(part.text or "" for part in before.parts if part.name == "single:LONG")
    assert text.endswith(f"\n# (cut: the first 20000 of {len('LONG = ' + str(list(range(9000))))} characters)")
    assert len(text.rpartition("\n")[0]) == 20_000
    assert before.digest != after.digest
    [change] = compare(before.parts, after.parts)
    assert change.diff() == ["(the difference lies behind the place where the text was cut)"]


texts = st.lists(st.text(alphabet=st.sampled_from("ab:01"), max_size=4), max_size=4)


@given(texts, texts)
def test_digests_of_texts_are_equal_only_for_equal_sequences(left: list[str], right: list[str]) -> None:
    assert (digest_text(*left) == digest_text(*right)) == (left == right)
    assert len(digest_text(*left)) == 32


HOLDER = compile("HELD", "<typed>", "eval")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


def version_with(value: object) -> str:
    function = types.FunctionType(HOLDER, {"__name__": "__main__", "HELD": value})
    return CodeReader(lambda _: False).version(function).digest


@given(values, values)
def test_globals_have_equal_versions_only_when_they_look_the_same(left: object, right: object) -> None:
    assert (version_with(left) == version_with(right)) == (repr(left) == repr(right))
