"""Do pools and concurrency hold, over processes too, and does every slot come back?"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from assets_core.errors import Place
from assets_core.execution.limits import Limits, Pools, give_back
from assets_core.model.asset import Asset, AssetKind
from assets_core.model.handling import Handling
from assets_core.model.keys import AssetKey
from assets_core.steps.work import Work

HOLD = """
import sys
from pathlib import Path
from assets_core.execution.limits import Pools
taken = Pools(Path(sys.argv[1]), {"w": 3}).take("w", int(sys.argv[2]))
print("taken" if taken else "none", flush=True)
sys.stdin.read()
"""


def asset(name: str = "a", **handling: object) -> Asset:
    return Asset(AssetKey(name), AssetKind.FUNCTION, Place("x.py", 1), "0" * 32, handling=Handling(**handling))  # type: ignore[arg-type]


def held_by_another(folder: Path, slots: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(slots)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    return process


def test_slots_are_shared_by_processes_and_come_back_when_one_is_killed(tmp_path: Path) -> None:
    pools = Pools(tmp_path, {"w": 3})
    with held_by_another(tmp_path, 2) as other:
        assert pools.take("w", 2) is None
        own = pools.take("w", 1)
        assert own is not None
        assert pools.take("w", 1) is None
        other.kill()
        other.wait()
        freed = pools.take("w", 2)
        assert freed is not None
        give_back(own)
        give_back(freed)
    assert pools.take("w", 3) is not None


def test_what_cannot_be_had_whole_is_not_kept_in_part(tmp_path: Path) -> None:
    pools = Pools(tmp_path, {"w": 3})
    assert pools.take("w", 4) is None
    assert pools.take("w", 3) is not None


def test_a_step_takes_as_many_slots_as_it_weighs(tmp_path: Path) -> None:
    limits = Limits(Pools(tmp_path, {"w": 5}))
    heavy = asset(pool="w", weight=2)
    assert limits.room(heavy, 10) == 2
    limits.settle()
    assert limits.start(Work(1, heavy, (0,), (None,)))
    assert limits.start(Work(2, heavy, (1,), (None,)))
    assert not limits.start(Work(3, heavy, (2,), (None,)))
    assert limits.room(asset("light", pool="w"), 10) == 1


def test_concurrency_is_that_of_one_asset(tmp_path: Path) -> None:
    limits = Limits(Pools(tmp_path, {}))
    one, other = asset("one", concurrency=1), asset("other")
    works = [Work(1, one, (0,), (None,)), Work(2, one, (1,), (None,))]
    assert limits.start(works[0])
    assert not limits.start(works[1])
    assert limits.room(other, 7) == 7
    limits.end(works[0])
    assert limits.start(works[1])


def test_what_is_reserved_is_not_offered_where_less_is_wanted(tmp_path: Path) -> None:
    limits = Limits(Pools(tmp_path, {"w": 5}))
    assert limits.room(asset(pool="w"), 4) == 4
    assert limits.room(asset(pool="w"), 1) == 1


def test_behind_a_step_that_finds_too_few_slots_lighter_ones_get_none(tmp_path: Path) -> None:
    limits = Limits(Pools(tmp_path, {"w": 3, "v": 1}))
    heavy, light = asset("heavy", pool="w", weight=3), asset("light", pool="w")
    running = Work(1, light, (0,), (None,))
    assert limits.start(running)
    assert (limits.room(heavy, 2), limits.room(light, 2), limits.room(asset("other", pool="v"), 2)) == (0, 0, 1)
    limits.settle()
    assert limits.room(light, 2) == 2
    limits.settle()
    limits.end(running)
    assert limits.start(Work(2, heavy, (0,), (None,)))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=60))
def test_whatever_starts_and_ends_no_limit_is_passed_and_no_slot_is_lost(
    tmp_path_factory: object, turns: list[tuple[bool, int]]
) -> None:
    folder = tmp_path_factory.mktemp("pools")  # type: ignore[attr-defined]
    assets = [
        asset("a", pool="w", weight=2),
        asset("b", pool="w"),
        asset("c", concurrency=2),
        asset("d", pool="v", concurrency=1),
    ]
    limits = Limits(Pools(folder, {"w": 3, "v": 2}))
    running: list[Work] = []
    for step, (begins, number) in enumerate(turns):
        if begins:
            work = Work(step, assets[number], (step,), (None,))
            may_start = limits.room(work.asset, 1) > 0
            assert limits.start(work) == may_start
            limits.settle()
            if may_start:
                running.append(work)
        elif running:
            limits.end(running.pop(number % len(running)))
        counts = Counter(str(work.asset.key) for work in running)
        assert counts["a"] * 2 + counts["b"] <= 3
        assert counts["c"] <= 2
        assert counts["d"] <= 1
    limits.close()
    rest = Pools(folder, {"w": 3, "v": 2})
    assert rest.take("w", 3) is not None
    assert rest.take("v", 2) is not None
