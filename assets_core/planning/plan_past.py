"""What the evidence for a plan asks of the past: for all assets of the plan in few questions, not one by one.

Used by `changes.py` and `evidence.py`. A question is asked when the first answer is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from ..model.code_part import CodePart
from ..model.keys import AssetKey
from ..versions.recipe import text_lanes
from .cells import Columns
from .digests import Digests
from .past import CodeOf
from .plan import Plan
from .recorded import RecordedInputs
from .staleness import Cause
from .state import Texts

_CELLS_AT_A_TIME = 1_000_000  # of which it is read in one go what they had read


class PlanPast:
    """The past of the assets of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.steps = {steps.asset.key: steps for steps in plan.steps}
        self.digests = Digests(plan.world)
        self._asked: set[AssetKey] = set()
        self._since: dict[AssetKey, Columns | None] = {}

    def inputs_of(self, key: AssetKey) -> RecordedInputs:
        """Return what the cells of an asset had read; that of the assets behind it in the plan is read along."""
        if key not in self._asked:
            changed = [one for one, steps in self.steps.items() if (steps.causes & Cause.INPUT_CHANGED).any()]
            cells, chosen = 0, [key]
            for one in changed:
                if one not in self._asked and cells < _CELLS_AT_A_TIME:
                    chosen.append(one)
                    cells += len(self.steps[one])
            self._asked.update(chosen)
            self.plan.world.require_inputs(chosen)
        return self.plan.world.inputs(key)

    def checks_of(self, key: AssetKey) -> Texts:
        """Return the version of the checks that judged each cell of an asset."""
        judged = [one for one, steps in self.steps.items() if (steps.causes & Cause.CONTRACT_CHANGED).any()]
        self.plan.world.require_details(judged)
        return self.plan.world.details(key).checks

    @cached_property
    def declarations(self) -> Mapping[AssetKey, Sequence[tuple[int, str | None]]]:
        """Return record and document of every declaration of the assets of the plan."""
        return self.plan.world.past.declarations(list(self.steps))

    @cached_property
    def code_then(self) -> dict[AssetKey, dict[int, Sequence[CodePart]]]:
        """Return the parts of the code that made cells whose code changed, by the first lane of its version."""
        changed = {key: steps for key, steps in self.steps.items() if (steps.causes & Cause.CODE_CHANGED).any()}
        past = self.plan.world.past
        wanted: dict[CodeOf, int] = {}
        for key, versions in past.code_versions(list(changed)).items():
            state = self.plan.world.states[key]
            made_by = set(np.unique(state.cells.code.a[changed[key].ordinals - state.first]).tolist())
            lanes = {version: text_lanes("code", version)[0] for version in versions}
            wanted |= {(key, version): lane for version, lane in lanes.items() if lane in made_by}
        found: dict[AssetKey, dict[int, Sequence[CodePart]]] = {}
        for (key, version), parts in past.code_parts(list(wanted)).items():
            found.setdefault(key, {})[wanted[key, version]] = parts
        return found

    @cached_property
    def rollbacks(self) -> Mapping[AssetKey, Columns]:
        """Return the cells, of all assets of the plan, whose version a rollback made current."""
        return self.plan.world.past.rolled_back(list(self.steps)) if self.steps else {}

    def since(self, upstream: AssetKey) -> Columns | None:
        """Return from which record on the cells of an upstream have the versions that they have now."""
        if upstream not in self._since:
            read = {
                edge.upstream for steps in self.plan.steps for edge in steps.asset.edges if edge.hand_off is not None
            }
            self._since = dict.fromkeys(read) | dict(self.plan.world.past.since(sorted(read)))
        return self._since[upstream]
