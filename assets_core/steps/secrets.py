"""What must not be told: the values of environment variables that are secret by their names, masked in texts.

Used by whatever writes what a step said or why it failed, before anything is cut off. It must not know where it goes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

MASK = "***"
_SHORTEST = 6  # what is shorter is a word that may stand anywhere
_SHORTEST_LINE = 12  # of a secret of several lines, such as a private key, of which a text may hold one
_SECRET = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|DSN|CONNECTION_STR|PRIVATE|(?:^|_)PW$|(?:API|ACCESS|_|^)KEYS?(?:_|$)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?:^|_)UR[LI](?:_|$)|DSN|DATABASE|CONN", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"://[^/\s:@]*:(?P<password>[^/\s@]+)@")


def masked(text: str) -> str:
    """Return a text with `***` in place of each secret of the environment as it is now, also where it is quoted."""
    pattern = _pattern(_values())
    return text if pattern is None else pattern.sub(MASK, text)


def masked_values(value: Any) -> Any:
    """Return a JSON value with the secrets masked in all of its texts, names of members too."""
    match value:
        case str():
            return masked(value)
        case dict():
            return {masked(str(name)): masked_values(member) for name, member in value.items()}
        case list() | tuple():
            return [masked_values(member) for member in value]
        case _:
            return value


def without(text: str, values: Iterable[str]) -> str:
    """Return a text with `***` in place of each of some values, and of each secret of the environment."""
    pattern = _pattern(tuple(values))
    return masked(text if pattern is None else pattern.sub(MASK, text))


def longest_secret() -> int:
    """Return how many characters before a cut may be the beginning of a secret."""
    return _longest(_values())


def _values() -> tuple[str, ...]:
    secret, addresses = _names(tuple(os.environb))
    values = [os.environ.get(name, "") for name in secret]
    values += [found["password"] for name in addresses if (found := _IN_ADDRESS.search(os.environ.get(name, "")))]
    return tuple(values)


@lru_cache(maxsize=16)
def _names(raw: tuple[bytes, ...]) -> tuple[list[str], list[str]]:
    """Return which variables are secret by their names, and which may hold an address with a password in it."""
    names = [os.fsdecode(name) for name in raw]
    return [name for name in names if _SECRET.search(name)], [name for name in names if _ADDRESS.search(name)]


@lru_cache(maxsize=16)
def _pattern(values: tuple[str, ...]) -> re.Pattern[str] | None:
    texts = _texts(values)
    return re.compile("|".join(re.escape(text) for text in texts)) if texts else None


@lru_cache(maxsize=16)
def _longest(values: tuple[str, ...]) -> int:
    return max(map(len, _texts(values)), default=0)


def _texts(values: tuple[str, ...]) -> list[str]:
    """Return everything to be masked, the longest first: a secret may be part of another."""
    return sorted({text for value in values for text in _spellings(value)}, key=lambda text: (-len(text), text))


def _spellings(value: str) -> Iterator[str]:
    """Yield a secret in the forms in which texts show it: as it is, as Python, JSON and addresses quote it."""
    lines = value.splitlines()
    parts = [value, value.strip(), *(line for line in lines if len(lines) > 1 and len(line) >= _SHORTEST_LINE)]
    for part in parts:
        if len(part) < _SHORTEST:
            continue
        yield part
        if len(unquote(part)) >= _SHORTEST:
            yield unquote(part)
        yield repr(part)[1:-1]
        yield ascii(part)[1:-1]
        yield json.dumps(part)[1:-1]
        yield json.dumps(part, ensure_ascii=False)[1:-1]
        yield quote(part, safe="", errors="surrogateescape")
