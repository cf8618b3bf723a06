"""What a check declares and what it says: severity, failing cases, results.

Every layer passes these values on. They must not know how a check is run, nor which library judged the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MAX_FAILURES = 20  # stored failure cases per check
MAX_VALUE_LENGTH = 200  # characters of a stored value

Metric = int | float | str | bool | None


class Severity(StrEnum):
    """What a failed check means: an error blocks publishing, a warning does not."""

    ERROR = "error"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class FailureCase:
    """One value that failed: its column, its check, its row and its text.

    *Shape*: `row` is the 0-based row of the judged data, None where the failure is not of one row; `value` is cut to
    `MAX_VALUE_LENGTH` characters, so that a stored result stays small whatever was judged.
    """

    column: str | None
    check: str
    row: int | None
    value: str

    def __post_init__(self) -> None:
        if len(self.value) > MAX_VALUE_LENGTH:
            object.__setattr__(self, "value", self.value[: MAX_VALUE_LENGTH - 1] + "…")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The verdict of one check on one cell.

    *Shape*: `failed_rows` counts distinct rows, None where it is not known; `failures` holds at most `MAX_FAILURES`
    cases, `metrics["failures"]` the true count where cases were left out.
    """

    name: str
    severity: Severity
    passed: bool
    failed_rows: int | None
    message: str
    failures: tuple[FailureCase, ...] = ()
    metrics: Mapping[str, Metric] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """An asset check as it is declared: `function` judges the data of `asset`."""

    name: str
    asset: str
    function: Callable[..., object]
    severity: Severity


def check_result(passed: bool, message: str = "", **metrics: Metric) -> CheckResult:
    """Say what a check found; its name and severity are filled in from its declaration.

    *Raises*: TypeError where a metric is not a number, a text, a bool or None.

        >>> check_result(False, "3 flights arrive before they leave", negative=3).metrics
        {'negative': 3}
    """
    for name, value in metrics.items():
        if not isinstance(value, int | float | str | bool | None):
            raise TypeError(
                f"metric {name!r} is of type {type(value).__name__}\n"
                "  remedy: give a number, a text, a bool or None (of a numpy value, value.item())"
            )
    return CheckResult("", Severity.ERROR, bool(passed), None, message, metrics=metrics)
