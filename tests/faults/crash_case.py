"""One case of the crash matrix: a fault at one call of one operation, and what must be so afterwards.

Used by test_crash_matrix.py and every_call.py. It judges the product from outside: by its files, by what its commands
answer, and by the verifier that docs/journal.md gives away.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from failing_io import ERRORS, Driver, Ended, Fault
from operations import ASSETS, BASES, OPERATIONS
from steps import Placed, placed

WATCHED = (
    *("append", "append_after_crash", "apply", "rebuild", "migrate", "publish", "publish_first"),
    *("compact", "prune", "gc", "rollback", "anchor"),
)
"""The operations at whose calls faults are tried, the quickest first."""

REPOSITORY = Path(__file__).parents[2]
KILLED = -9
HASH = 64
ERROR_CODES = (1, 3, 4)


def independent_verifier() -> Callable[[Path], int]:
    """Return the verifier that docs/journal.md gives to people who do not have the product."""
    text = (REPOSITORY / "docs" / "journal.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(import gzip, json.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102  # the program of our own documentation
    verifier: Callable[[Path], int] = names["verify"]
    return verifier


@dataclass(slots=True)
class Bench:
    """Makes projects to begin from, once each, and cases on copies of them."""

    root: Path
    driver: Driver
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    known_calls: dict[str, list[Placed]] = field(default_factory=dict, repr=False)
    verify: Callable[[Path], int] = field(default_factory=independent_verifier, repr=False)

    def base(self, name: str) -> Path:
        """Return a project to begin from."""
        folder = self.root / f"base_{name}"
        if not folder.exists():
            for operation in BASES[name]:
                ended = self.driver.run(operation, folder)
                assert (ended.status, (ended.answer or {}).get("code", 0)) == (0, 0), (operation, ended)
        return folder

    def rows_of(self, base: str) -> Mapping[str, Any]:
        """Return the published rows of a project to begin from, by asset."""
        if base not in self.rows:
            self.rows[base] = self.driver.run("read", self.base(base)).answer
        return self.rows[base]

    def copy(self, operation: str) -> Path:
        """Return a fresh copy of the project that an operation begins from; the copy before is removed."""
        folder = self.root / "case"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.base(OPERATIONS[operation].base), folder)
        return folder

    def calls(self, operation: str) -> list[Placed]:
        """Return the calls of an operation without a fault."""
        if operation not in self.known_calls:
            self.known_calls[operation] = self._calls(operation)
        return self.known_calls[operation]

    def _calls(self, operation: str) -> list[Placed]:
        folder = self.copy(operation)
        ended = self.driver.run(operation, folder, log=self.root / "log")
        assert (ended.status, ended.answer["code"]) == (0, 0), ended
        return placed(ended.calls, folder)

    def inject(self, operation: str, fault: Fault, *, verify: bool = False) -> tuple[Ended, list[str]]:
        """Perform an operation with a fault; return how it ended and what is wrong afterwards.

        The index is compared with a replay of the journal where the fault was in it, and elsewhere if asked for.
        """
        folder = self.copy(operation)
        before = self.lines(folder)
        ended = self.driver.run(operation, folder, fault, self.root / "log")
        wrong = _wrong_ending(ended, fault) + self.wrong_afterwards(operation, folder, before, ended)
        if verify or fault.area == ".assets/catalog.":
            wrong += self.driver.run("verify", folder).answer["problems"]
        return ended, wrong

    def wrong_afterwards(self, operation: str, folder: Path, before: list[bytes], ended: Ended) -> list[str]:
        """Return what is wrong with a project in which an operation ended in whatever way, and with its recovery."""
        wrong = self._wrong_journal(folder, before, ended)
        middle = self.lines(folder)
        recovered = self.driver.run("recover", folder).answer
        if "run" not in (recovered or {}):
            return [*wrong, f"recovery ended with {recovered}"]
        wrong += self._wrong_journal(folder, middle, ended)
        old = self.rows_of("first" if operation == "rollback" else OPERATIONS[operation].base)
        wrong += _wrong_rows(recovered, old, self._rows_in_the_end(operation))
        return wrong + _wrong_recovery(recovered, has_all_texts=operation != "prune")

    def _rows_in_the_end(self, operation: str) -> Mapping[str, Any]:
        return self.rows_of("first" if OPERATIONS[operation].base == "empty" else "new")

    def lines(self, folder: Path) -> list[bytes]:
        """Return the whole lines of a project's journal."""
        files = [path for path in sorted(folder.glob(".assets/journal/*")) if path.suffix in (".jsonl", ".gz")]
        forms = {path.name[:20]: path for path in files}
        return [line for path in forms.values() for line in _content(path).split(b"\n")[:-1]]

    def _wrong_journal(self, folder: Path, before: list[bytes], ended: Ended) -> list[str]:
        lines = self.lines(folder)
        try:
            count = self.verify(folder / ".assets" / "journal")
        except AssertionError as error:
            return [f"the chain does not verify: {error}"]
        wrong = []
        if count != sum(len(line) > HASH for line in lines):
            wrong.append(f"{count} records verify, {len(lines)} are there")
        kept = zip(before, lines, strict=False)
        if len(lines) < len(before) or not all(now in (then, then[:HASH]) for then, now in kept):
            wrong.append(f"of {len(before)} records that were there, some are not any more ({len(lines)} are)")
        for seq, kind in ended.acknowledged:
            if seq > len(lines) or (len(lines[seq - 1]) > HASH and json.loads(lines[seq - 1][65:])["kind"] != kind):
                wrong.append(f"record {seq} ({kind}) was acknowledged and is not there")
        return wrong


def _content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _wrong_ending(ended: Ended, fault: Fault) -> list[str]:
    if not any(call.number == fault.at for call in ended.calls):
        return [f"call {fault.at} in {fault.area!r} was not reached: {len(ended.calls)} calls"]
    if fault.what in ERRORS:
        return wrong_error(ended)
    return [] if ended.status == KILLED else [f"it was not killed: {ended}"]


def wrong_error(ended: Ended) -> list[str]:
    """Return what is wrong with how an operation met an error of the disk: it copes, or tells one clear error."""
    if ended.status != 0 or ended.answer is None:
        return [f"it died: {ended.status} {ended.printed}"]
    code, text = ended.answer["code"], ended.answer["err"] + ended.printed
    if "Traceback (most recent call last)" in text:
        return [f"exit code {code} with a traceback: {_last_frame(text)}"]
    if code not in (0, *ERROR_CODES):
        return [f"exit code {code}: {text}"]
    if code != 0 and not re.search(r"^(error|failed): ", text, re.MULTILINE):
        return [f"exit code {code} and no error is told: {text}"]
    return []


def _last_frame(text: str) -> str:
    """Return the last frame of the product in a traceback, and the error."""
    frames = re.findall(r'File "\S*?/((?:assets_core|catalog)/\S+)", line (\d+), in (\S+)', text)
    errors = re.findall(r"^\w[\w.]*(?:Error|Exception|Damaged|Busy)\b.*", text, re.MULTILINE)
    return f"{':'.join(frames[-1]) if frames else 'no frame'}: {errors[-1] if errors else text}"


def _wrong_rows(recovered: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    wrong = [
        f"a reader of {asset} got neither the old nor the new version: {str(recovered['before'][asset])[:200]}"
        for asset in ASSETS
        if recovered["before"][asset] not in (old[asset], new[asset])
    ]
    wrong += [
        f"{asset} ended as {str(recovered['after'][asset])[:200]}"
        for asset in ASSETS
        if recovered["after"][asset] != new[asset]
    ]
    return wrong


def _wrong_recovery(recovered: Mapping[str, Any], *, has_all_texts: bool) -> list[str]:
    wrong = [f"the next run ended with {recovered['run']}"] if recovered["run"]["code"] else []
    if recovered["again"] is not None:
        wrong.append(f"the second run did something: {recovered['again']}")
    events = [json.loads(line) for line in recovered["events"].splitlines()]
    numbers = [tuple(event["run"]["facets"]["assetsCore_journal"][m] for m in ("seq", "event")) for event in events]
    is_complete = len(numbers) == recovered["expected_events"] or not has_all_texts  # they were made before
    if not is_complete or numbers != sorted(set(numbers)):
        wrong.append(f"of {recovered['expected_events']} lineage events {len(numbers)} are there: {numbers}")
    return wrong
