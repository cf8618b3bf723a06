"""Are cells of other partitions other cells, also where a key of the one can be read as a key of the other?"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

from histories import Step
from naive_partitions import Reading, Scheme
from random_project import Asset, Input, Project
from scenario import Scenario

SCHEMES = {
    "hours": Scheme("hourly", "2021-11-01T00:00", "2021-11-01T02:00"),
    "hours elsewhere": Scheme("hourly", "2021-10-31T20:00", "2021-10-31T22:00", "America/New_York"),
    "days": Scheme("daily", "2021-11-01", "2021-11-03"),
    "weeks": Scheme("weekly", "2021-11-01", "2021-11-15"),
    "months": Scheme("monthly", "2021-11", "2022-01"),
    "names": Scheme("static", keys=("2021-11-01", "2021-11")),
}


def test_an_asset_with_other_partitions_is_made_anew_once(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path)
    pairs = list(permutations(SCHEMES, 2))
    for turn in range(2):
        assets: dict[str, Asset] = {}
        for number, pair in enumerate(pairs):
            made, reader = f"a{number}", f"r{number}"
            assets[made] = Asset(made, "function", SCHEMES[pair[turn]], uses_place=True)
            assets[reader] = Asset(reader, "function", inputs=(Input(made, made, Reading("all"), by_partition=True),))
        outcome = scenario.run(Step(Project(assets, {"x": 1, "y": 1, "read": 1}, {})))
        assert len(outcome.made) == 3 * len(pairs)
    scenario.nothing_is_left_to_do()
