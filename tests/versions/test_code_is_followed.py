"""Whatever way code is reached in, an edit of it changes the code version, and the difference names the edited part."""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assets_core.versions.code import CodeReader, CodeVersion
from assets_core.versions.code_changes import compare

RATES = "def rate(value):\n    return value * 3\n\n\ndef other(value):\n    return value\n\n\nSHARE = 1 * 3\n"

WAYS = {
    title: (source, part)
    for title, part, source in re.findall(
        r"^## (.+) -> (.+)\n((?:(?!## ).*\n)+)",
        Path(__file__).with_name("ways_to_use_code.txt").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
}


class Shop:
    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")

    def forget(self) -> None:
        importlib.invalidate_caches()
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(self.root)):
                del sys.modules[name]

    def version(self) -> CodeVersion:
        self.forget()
        entry: Callable[..., object] = importlib.import_module("entry").entry
        return CodeReader(lambda file: Path(file).is_relative_to(self.root)).version(entry)

    def changed(self, file: str) -> list[str]:
        """Return which parts change by the edit of a file; nothing may be unknown."""
        before = self.version()
        text = (self.root / file).read_text(encoding="utf-8")
        self.write(file, text.replace(" * 3", " * 4"))
        after = self.version()
        assert (before.digest == after.digest) == (before.parts == after.parts)
        assert not before.unknown
        return [f"{change.kind} {change.name}" for change in compare(before.parts, after.parts)]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it is matched by whole seconds and sizes
    made = Shop(tmp_path)
    made.write("shop/__init__.py", "from shop.rates import rate as exported\n")
    made.write("shop/rates.py", RATES)
    made.write("shop/relative.py", "from . import rates\ndef entry(v):\n    return rates.rate(v)\n")
    made.write("shop/deep/__init__.py", "")
    made.write("shop/deep/relative.py", "from ..rates import rate\ndef entry(v):\n    return rate(v)\n")
    made.write("shop/lazy.py", "def __getattr__(name):\n    from shop import rates\n    return getattr(rates, name)\n")
    yield made
    made.forget()


@pytest.mark.parametrize(("source", "part"), WAYS.values(), ids=WAYS.keys())
def test_what_is_used_is_followed(shop: Shop, source: str, part: str) -> None:
    shop.write("entry.py", source)
    changed = shop.changed("entry.py" if " * 3" in source else "shop/rates.py")
    assert changed if part == "some part" else part in changed


def test_every_way_to_use_code_is_tried() -> None:
    assert len(WAYS) == 132
