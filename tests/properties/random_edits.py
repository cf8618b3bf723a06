"""Draw a random project, its edits, and what is asked of each run in between.

Used by `histories.py`. Every choice is drawn, so that a failing example is made smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

from hypothesis import event
from hypothesis import strategies as st
from legal_choices import BASES, as_of_now, may_batch, may_follow, moved, readings, repaired, schemes
from naive_partitions import Reading, Scheme, slots
from random_project import COLUMNS, Asset, Input, Project

T = TypeVar("T")

KINDS = (
    *("none", "none", "daily", "daily", "daily", "static", "product", "product", "dynamic", "dynamic"),
    *("hourly", "weekly", "monthly", "minute", "quarterly", "yearly", "cron"),
)
HAND_OFFS = (
    "pl.DataFrame",
    "pl.LazyFrame",
    "pl.LazyFrame",
    "pl.LazyFrame",
    "pa.Table",
    "pa.RecordBatchReader",
    "duckdb.DuckDBPyRelation",
)
DECLARED = (None, None, None, None, ("n",), ("m", "k"), ("j", "n", "m"), ("k",))
USES = (COLUMNS, ("n",), ("m",), ("k",), ("j",), ("m", "k"), ("k", "j"), ("n", "m", "j"))
DIVISORS = (1, 10, 10, 100)
DAMAGES = ("gone", "cut", "changed")
SEVERITIES = ("error", "error", "warn")
KEYS = ("eu", "us", "apac", "x", "y z")
NAMES = tuple(f"a{number}" for number in range(9))


class Choices:
    """The choices of one example; `may_be_open`: partitions may be until now, which the history then decides."""

    def __init__(self, draw: st.DrawFn, *, may_be_open: bool) -> None:
        self._draw = draw
        self._may_be_open = may_be_open
        self._base: tuple[str, date] = self.one_of(BASES)

    def one_of(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))

    def often(self, one_in: int) -> bool:
        """Return True once in so many times; the smallest example says False."""
        return self._draw(st.integers(1, one_in)) == one_in

    def number(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def accidents(self) -> dict[str, Any]:
        """Draw what happens beside the edits of a step, as members of it."""
        return {
            "rollback": self.number(0, 9) if self.often(3) else None,
            "damage": (self.number(0, 9), self.one_of(DAMAGES)) if self.often(4) else None,
            "later": self.one_of((0, 0, 0, 2, 48)),
        }

    # A project

    def project(self) -> Project:
        """Draw a project of two to eight assets."""
        sets = {"places": KEYS[: self.number(0, 3)]}
        noon = datetime.combine(self._base[1] + timedelta(days=1), time(12), UTC)
        now = noon if self._may_be_open else None
        project = Project({}, {"x": 3, "y": 2, "read": 1}, {}, sets=sets, now=now)
        for number in range(self.number(1, 2)):
            project = self._with(project, self._external(f"e{number}"))
        for number in range(self.number(1, 5)):
            project = self._with(project, self._made(project, NAMES[number]))
        return project

    def _with(self, project: Project, asset: Asset) -> Project:
        return repaired(replace(project, assets={**project.assets, asset.key: asset}))

    def _external(self, key: str) -> Asset:
        return Asset(key, "external", self._scheme(), reader=self.often(3))

    def _scheme(self) -> Scheme | None:
        return self._draw(schemes(self._base, KINDS, may_be_open=self._may_be_open))

    def _made(self, project: Project, key: str) -> Asset:
        kind = self.one_of(("function", "function", "function", "sql", "sql_file"))
        scheme = as_of_now(self._scheme(), project)
        asset = Asset(key, kind, scheme, constant=self.number(0, 30), divisor=self.one_of(DIVISORS))
        asset = replace(asset, uses_place=scheme is not None and self.often(2), extra=self.often(5))
        asset = replace(asset, bonus=self.number(1, 9) if self.often(3) else None, opaque=self.often(5))
        asset = replace(asset, expires=self.one_of((1, 24)) if self.often(4) else None)
        asset = replace(asset, library=self.often(5))
        for _ in range(self.number(0, 3)):
            asset = self._with_input(project, asset)
        if kind == "function":
            if scheme is not None and scheme.is_time and self.often(3):
                asset = replace(asset, inputs=(*asset.inputs, self._itself(asset)))
            asset = replace(asset, helper=self.one_of(("", "", "x", "y")), form=self.one_of(("frame", "lazy", "arrow")))
            asset = replace(asset, batch=self.often(2) and may_batch(asset, project.assets))
        asset = self._with_after(project, asset) if self.often(5) else asset
        return self._with_checks(asset) if self.often(3) else asset

    def _with_input(self, project: Project, asset: Asset) -> Asset:
        earlier = self._earlier(project, asset)
        if not earlier:
            return asset
        upstream = self.one_of(earlier)
        taken = {given.name for given in asset.inputs}
        name = next(n for n in (upstream, *(f"{upstream}_{i}" for i in range(9))) if n not in taken)
        functions = asset.kind != "sql_file" and self.often(4)
        accepted = readings(asset.scheme, project.assets[upstream].scheme)
        reading = self.one_of([reading for reading in accepted if functions or not reading.is_function])
        given = Input(name, upstream, reading, columns=self.one_of(DECLARED), weight=self.number(1, 3))
        given = replace(given, uses=self.one_of(USES), star=self.often(5))
        if asset.kind == "function":
            by_partition = project.assets[upstream].scheme is not None and self.often(3)
            given = replace(given, hand_off=self.one_of(HAND_OFFS), by_partition=by_partition, optional=self.often(3))
        return replace(asset, inputs=(*asset.inputs, given))

    def _itself(self, asset: Asset) -> Input:
        """Draw an input of earlier partitions of the asset itself."""
        reading = self.one_of([Reading("window", last=last, offset=-1) for last in (None, 1, 2)])
        given = Input("before", asset.key, reading, columns=self.one_of(DECLARED), uses=self.one_of(USES))
        return replace(given, hand_off=self.one_of(HAND_OFFS), optional=True)

    def _earlier(self, project: Project, asset: Asset) -> list[str]:
        keys = list(project.assets)
        return keys[: keys.index(asset.key)] if asset.key in keys else keys

    def _with_after(self, project: Project, asset: Asset) -> Asset:
        keys = [
            key
            for key in self._earlier(project, asset)
            if key not in asset.after and may_follow(asset.scheme, project.assets[key].scheme)
        ]
        return replace(asset, after=(*asset.after, self.one_of(keys))) if keys else asset

    def _with_checks(self, asset: Asset) -> Asset:
        if asset.kind != "sql_file" and self.often(2):
            return replace(asset, contract=(self.one_of((20, 1000, 10**6)), self.one_of(SEVERITIES)))
        return replace(asset, check=(self.number(0, 4), self.one_of(SEVERITIES)))

    # Edits

    def edited(self, project: Project, count: int) -> Project:
        """Draw so many edits, one after another."""
        for _ in range(count):
            project = self._edited(project)
        return project

    def _edited(self, project: Project) -> Project:
        edits: list[Callable[[Project], Project]] = [
            self._reformat,
            self._change_helper,
            self._change_file,
            self._change_file,
            self._add_asset,
            self._change_set,
        ]
        if any(True for _ in project.made()):
            edits += [
                self._change_constant,
                self._change_constant,
                self._change_tilt,
                self._change_tilt,
                self._change_uses,
                self._change_extra,
                self._change_extra,
                self._change_library,
                self._declare_library,
                self._change_bonus,
                self._change_setting,
                self._change_expiry,
                self._change_divisor,
                self._change_checks,
                self._move_partitions,
                self._redefine_partitions,
                self._remove_asset,
                self._add_or_remove_input,
                self._change_input,
                self._break_or_mend,
                self._change_after,
                self._change_batch,
            ]
        edit = self.one_of(edits)
        event(edit.__name__)
        return repaired(edit(project))

    def _change(self, project: Project, asset: Asset) -> Project:
        return replace(project, assets={**project.assets, asset.key: asset})

    def _any_made(self, project: Project) -> Asset:
        return self.one_of(list(project.made()))

    def _reformat(self, project: Project) -> Project:
        return replace(project, look=project.look + self.number(1, 3))

    def _change_helper(self, project: Project) -> Project:
        name = self.one_of(sorted(project.factors))
        return replace(project, factors={**project.factors, name: project.factors[name] + self.number(1, 20)})

    def _change_file(self, project: Project) -> Project:
        """Change a value, change what nobody reads, add a row, remove the file or bring it back."""
        keys = [
            (asset.key, slot.key)
            for asset in project.assets.values()
            if asset.is_external
            for slot in slots(asset.scheme)
        ]
        if not keys:
            return project
        key = self.one_of(keys)
        rows = project.files[key]
        change = self.one_of(("value", "value", "unread", "row", "gone"))
        event(f"file: {change if rows is not None else 'back'}")
        if rows is None:
            changed: tuple[tuple[int, int, int], ...] | None = ((self.number(0, 60), 1, 0),)
        elif change == "gone":
            changed = None
        elif change == "row":
            changed = (*rows, (self.number(0, 60), 0, 0))
        else:
            n, m, x = rows[0]
            more = self.number(1, 15)
            changed = ((n + more, m, x) if change == "value" else (n, m, x + more), *rows[1:])
        return replace(project, files={**project.files, key: changed})

    def _add_asset(self, project: Project) -> Project:
        names = [name for name in NAMES if name not in project.assets]
        return self._with(project, self._made(project, self.one_of(names))) if names else project

    def _change_constant(self, project: Project) -> Project:
        asset = self._any_made(project)
        return self._change(project, replace(asset, constant=asset.constant + self.number(1, 12)))

    def _change_set(self, project: Project) -> Project:
        """Add a key to the set of dynamic partitions, or remove one."""
        key, keys = self.one_of(KEYS), project.sets["places"]
        changed = tuple(each for each in keys if each != key) if key in keys else (*keys, key)
        return replace(project, sets={"places": changed})

    def _change_uses(self, project: Project) -> Project:
        """Let a reader use other columns of an input."""
        asset = self._any_made(project)
        if not asset.inputs:
            return project
        old = self.one_of(asset.inputs)
        new = replace(old, uses=self.one_of(USES), star=self.often(4))
        return self._change(project, replace(asset, inputs=tuple(new if g == old else g for g in asset.inputs)))

    def _change_tilt(self, project: Project) -> Project:
        """Change one column alone, which most readers do not use."""
        asset = self._any_made(project)
        return self._change(project, replace(asset, tilt=asset.tilt + self.number(1, 3)))

    def _change_extra(self, project: Project) -> Project:
        """Add a column that nobody uses, or remove it: for readers that may look at it only the schema changes."""
        looked_at = {
            given.upstream
            for asset in project.made()
            for given in asset.inputs
            if given.star or given.hand_off == "pl.LazyFrame"
        }
        assets = [asset for asset in project.made() if asset.key in looked_at] or list(project.made())
        asset = self.one_of(assets)
        return self._change(project, replace(asset, extra=not asset.extra))

    def _change_bonus(self, project: Project) -> Project:
        asset = self._any_made(project)
        return self._change(project, replace(asset, bonus=self.one_of((None, 2, 5))))

    def _change_setting(self, project: Project) -> Project:
        """Give a parameter a value in assets.toml, or take it back."""
        asset = self._any_made(project)
        others = {key: value for key, value in project.settings.items() if key != asset.key}
        own = {} if asset.key in project.settings and self.often(2) else {asset.key: self.number(1, 9)}
        asset = replace(asset, bonus=4) if asset.bonus is None else asset
        return replace(self._change(project, asset), settings={**others, **own})

    def _change_library(self, project: Project) -> Project:
        return replace(project, library=self.one_of(("1.0", "1.1", "2.0")))

    def _declare_library(self, project: Project) -> Project:
        asset = self._any_made(project)
        return self._change(project, replace(asset, library=not asset.library))

    def _change_expiry(self, project: Project) -> Project:
        asset = self._any_made(project)
        return self._change(project, replace(asset, expires=self.one_of((None, 1, 24))))

    def _change_divisor(self, project: Project) -> Project:
        asset = self._any_made(project)
        return self._change(project, replace(asset, divisor=self.one_of(DIVISORS)))

    def _change_checks(self, project: Project) -> Project:
        asset = self._any_made(project)
        bare = replace(asset, check=None, contract=None)
        return self._change(project, bare if self.often(3) else self._with_checks(asset))

    def _move_partitions(self, project: Project) -> Project:
        assets = [asset for asset in project.assets.values() if asset.scheme is not None]
        if not assets:
            return project
        asset = self.one_of(assets)
        assert asset.scheme is not None
        return self._change(project, replace(asset, scheme=moved(self._draw, asset.scheme, self._base[1])))

    def _redefine_partitions(self, project: Project) -> Project:
        """Give an asset other partitions: of another grain, in another zone, none."""
        asset = self._any_made(project)
        scheme = self._scheme()
        if self.often(2) and asset.scheme is not None and asset.scheme.is_time:
            scheme = replace(asset.scheme, tz=self.one_of(("UTC", "Europe/Berlin", "America/New_York")))
        return self._change(project, replace(asset, scheme=scheme))

    def _remove_asset(self, project: Project) -> Project:
        gone = self._any_made(project)
        return replace(project, assets={key: asset for key, asset in project.assets.items() if key != gone.key})

    def _add_or_remove_input(self, project: Project) -> Project:
        asset = self._any_made(project)
        if asset.inputs and self.often(2):
            gone = self.one_of(asset.inputs)
            return self._change(project, replace(asset, inputs=tuple(g for g in asset.inputs if g != gone)))
        return self._change(project, self._with_input(project, asset)) if len(asset.inputs) < 4 else project

    def _change_input(self, project: Project) -> Project:
        """Change upstream, mapping or columns of an input."""
        asset = self._any_made(project)
        if not asset.inputs:
            return project
        old = self.one_of(asset.inputs)
        others = [key for key in self._earlier(project, asset) if key != old.upstream]
        if others and old.upstream != asset.key and self.often(4):
            new = replace(old, upstream=self.one_of(others))
        elif self.often(2):
            new = replace(old, columns=self.one_of(DECLARED))
        elif old.upstream == asset.key:
            new = replace(old, reading=self._itself(asset).reading)
        else:
            new = replace(old, reading=self.one_of(readings(asset.scheme, project.assets[old.upstream].scheme)))
        return self._change(project, replace(asset, inputs=tuple(new if g == old else g for g in asset.inputs)))

    def _break_or_mend(self, project: Project) -> Project:
        """Let the function fail for about every fourth cell, or mend it."""
        asset = self._any_made(project)
        fails = None if asset.fails is not None or asset.kind != "function" else self.number(0, 3)
        return self._change(project, replace(asset, fails=fails))

    def _change_after(self, project: Project) -> Project:
        asset = self._any_made(project)
        return self._change(project, replace(asset, after=()) if asset.after else self._with_after(project, asset))

    def _change_batch(self, project: Project) -> Project:
        asset = self._any_made(project)
        return self._change(project, replace(asset, batch=not asset.batch))

    # What is asked of a run

    def selection(self, project: Project) -> tuple[str, frozenset[str]]:
        """Draw the text of a selection, and the keys that it names, external ones too."""
        key = self.one_of(list(project.assets))
        match self.one_of(("*", "*", "{}", "+{}", "{}+", "+{}+")):
            case "*":
                return "*", frozenset(project.assets)
            case form:
                keys = {key} | (_ancestors(project, key) if form[0] == "+" else set())
                keys |= {k for k in project.assets if key in _ancestors(project, k)} if form[-1] == "+" else set()
                return form.format(key), frozenset(keys)

    def days(self) -> tuple[date, date] | None:
        """Draw the first and the last day of a range of partitions, None for all of them."""
        if not self.often(3):
            return None
        first = self._base[1] + timedelta(days=self.number(-3, 3))
        return first, first + timedelta(days=self.number(0, 3))


def _ancestors(project: Project, key: str) -> set[str]:
    asset = project.assets[key]
    upstreams = {*(given.upstream for given in asset.inputs), *asset.after} - {key}
    return upstreams.union(*(_ancestors(project, upstream) for upstream in upstreams))
