"""Is there a damage to any file of a project that nothing tells?"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from damages import AREAS, Truth, damaged, outcome, prepared

CASES_A_BATCH = 12


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return prepared(tmp_path_factory.mktemp("truth"))


@pytest.mark.parametrize("batch", range(5))
def test_no_damage_is_silent(truth: Truth, tmp_path: Path, batch: int) -> None:
    seen: Counter[str] = Counter()
    for number in range(CASES_A_BATCH):
        where, damage = damaged(truth, tmp_path / str(number), random.Random(f"{batch} {number}"))  # noqa: S311
        what = outcome(truth, tmp_path / str(number))
        assert not what.startswith("silent"), f"{damage} {where}: {what}"
        seen[where.partition(":")[0]] += 1
        seen[what] += 1
    assert seen["found"] > CASES_A_BATCH / 4
    assert seen.keys() >= set(AREAS)
