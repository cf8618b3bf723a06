"""assets-core: declare data assets, materialize exactly the partitions that are out of date, and prove it.

The public names. Light on purpose: importing this loads no DuckDB, pandera, web server or engine; what reads or writes
the catalog is loaded when it is first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .declare import Retries, Upstream, asset, check, command_asset, external, sql_asset
from .model.checks import CheckResult, FailureCase, Severity, check_result
from .model.mapping import (
    AllPartitions,
    ByDimension,
    Explicit,
    FromDimension,
    Identity,
    LastAvailable,
    StaticMap,
    TimeWindow,
)
from .model.partitions import (
    CronPartitions,
    DailyPartitions,
    DynamicPartitions,
    HourlyPartitions,
    MinutePartitions,
    MonthlyPartitions,
    Partition,
    ProductPartitions,
    QuarterlyPartitions,
    StaticPartitions,
    WeeklyPartitions,
    YearlyPartitions,
)
from .version import __version__ as __version__

if TYPE_CHECKING:
    from .partition_sets import add_partitions, partitions_of, remove_partitions

__all__ = [
    "AllPartitions",
    "ByDimension",
    "CheckResult",
    "CronPartitions",
    "DailyPartitions",
    "DynamicPartitions",
    "Explicit",
    "FailureCase",
    "FromDimension",
    "HourlyPartitions",
    "Identity",
    "LastAvailable",
    "MinutePartitions",
    "MonthlyPartitions",
    "Partition",
    "ProductPartitions",
    "QuarterlyPartitions",
    "Retries",
    "Severity",
    "StaticMap",
    "StaticPartitions",
    "TimeWindow",
    "Upstream",
    "WeeklyPartitions",
    "YearlyPartitions",
    "add_partitions",
    "asset",
    "check",
    "check_result",
    "command_asset",
    "external",
    "partitions_of",
    "remove_partitions",
    "sql_asset",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in ("add_partitions", "partitions_of", "remove_partitions"):
            from . import partition_sets

            return getattr(partition_sets, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
