"""Partitions: the definition of the set of an asset's partitions, and the ordinal of each.

Used by declarations, mappings and the planner. Ordinals are whole numbers without gaps: for time they count from 1970,
so that moving the start or the end of a definition moves no ordinal; for keys they are positions in their list.
Nothing here reads the clock: where a definition is open-ended, `now` is passed in.
"""

from .bind import bind, dynamic_names
from .calendar import (
    DailyPartitions,
    HourlyPartitions,
    MonthlyPartitions,
    MonthsPartitions,
    QuarterlyPartitions,
    WeeklyPartitions,
    YearlyPartitions,
)
from .dynamic import DynamicPartitions
from .keyed import KeyedPartitions
from .parse import parse_partitions
from .port import Partition, Partitions, PartitionsError
from .product import ProductPartitions
from .static import StaticPartitions
from .timed import EvenPartitions, MomentPartitions, TimePartitions
from .windows import CronPartitions, MinutePartitions

__all__ = [
    "CronPartitions",
    "DailyPartitions",
    "DynamicPartitions",
    "EvenPartitions",
    "HourlyPartitions",
    "KeyedPartitions",
    "MinutePartitions",
    "MomentPartitions",
    "MonthlyPartitions",
    "MonthsPartitions",
    "Partition",
    "Partitions",
    "PartitionsError",
    "ProductPartitions",
    "QuarterlyPartitions",
    "StaticPartitions",
    "TimePartitions",
    "WeeklyPartitions",
    "YearlyPartitions",
    "bind",
    "dynamic_names",
    "parse_partitions",
]
