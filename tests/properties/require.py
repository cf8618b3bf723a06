"""How a property fails: with the cells that differ. And how the product's words for causes are compared.

Used by the scenarios and by the planner's properties.
"""

from __future__ import annotations

from collections.abc import Mapping

from naive_oracle import Cell

from assets_core.planning.staleness import Cause


def kinds_of(causes: int) -> frozenset[str]:
    """Return the words for the bits of a cell's causes."""
    return frozenset(cause.kind for cause in Cause if causes & cause)


def plain_cause(cause: str) -> str:
    """Return the cause that the plan knows for a kind of change that only the evidence tells."""
    of_code, of_inputs = ("parameter_changed", "library_changed"), ("source_changed", "inputs_rewired")
    plain = dict.fromkeys(of_code, "code_changed") | dict.fromkeys(of_inputs, "input_changed") | {"rolled_back": ""}
    return plain.get(cause, cause)


def require_equal(found: Mapping[Cell, object], expected: Mapping[Cell, object]) -> None:
    """Fail with the cells that differ."""
    different = [
        f"{cell}: {found.get(cell, 'nothing')}, not {expected.get(cell, 'nothing')}"
        for cell in found.keys() | expected.keys()
        if cell not in found or cell not in expected or found[cell] != expected[cell]
    ]
    assert not different, "\n".join(sorted(different))
