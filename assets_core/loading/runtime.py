"""What runs for an asset, looked up by its key when a step needs it.

Made by `builder.py`, used by `execution/step.py` and by whoever observes sources. It must not know how it is run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..checking.contract import Contract
from ..model.asset import HandOff
from ..model.checks import Check


@dataclass(slots=True)
class Runtime:
    """What runs for one asset: its function (the reader of an external one) or query with the values of its parameters,
    its contract, its checks with the hand-off that each wants."""

    function: Callable[..., object] | None = None
    query: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    version: Callable[..., object] | None = None
    contract: Contract | None = None
    checks: list[tuple[Check, HandOff]] = field(default_factory=list)
