"""assets-core: declare data assets, materialize exactly the partitions that are out of date, and prove it.

The public names. Light on purpose: importing this loads no DuckDB, pandera, web server or engine.
"""

from .declare import Upstream, asset, check, external, sql_asset
from .model.checks import CheckResult, FailureCase, Severity, check_result
from .model.mapping import AllPartitions, ByDimension, Explicit, FromDimension, Identity, TimeWindow
from .model.partitions import (
    DailyPartitions,
    HourlyPartitions,
    MonthlyPartitions,
    Partition,
    ProductPartitions,
    StaticPartitions,
    WeeklyPartitions,
)

__version__ = "0.1.0"

__all__ = [
    "AllPartitions",
    "ByDimension",
    "CheckResult",
    "DailyPartitions",
    "Explicit",
    "FailureCase",
    "FromDimension",
    "HourlyPartitions",
    "Identity",
    "MonthlyPartitions",
    "Partition",
    "ProductPartitions",
    "Severity",
    "StaticPartitions",
    "TimeWindow",
    "Upstream",
    "WeeklyPartitions",
    "asset",
    "check",
    "check_result",
    "external",
    "sql_asset",
]
