"""What runs for an asset, looked up by its key when a step needs it.

Made by `builder.py`, used by steps and by whoever observes sources. It must not know how it is run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..checking.contract import Contract
from ..model.asset import HandOff
from ..model.checks import Check
from .commands import Command


@dataclass(slots=True)
class Runtime:
    """What runs for one asset: its function (the reader of an external one), query with the values of its parameters
    or command, its contract, its checks with the hand-off that each wants.

    `makes_value`: the function returns a plain value, no table. `batch_column`: that of the query's result which tells
    to which of many partitions a row belongs.
    """

    function: Callable[..., object] | None = None
    query: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    version: Callable[..., object] | None = None
    contract: Contract | None = None
    checks: list[tuple[Check, HandOff]] = field(default_factory=list)
    makes_value: bool = False
    batch_column: str | None = None
    command: Command | None = None
