"""The days and months of 2013 as New York counts them: the partitions of every asset that has some."""

from assets_core import DailyPartitions, MonthlyPartitions

NEW_YORK = "America/New_York"
DAYS = DailyPartitions("2013-01-01", "2014-01-01", tz=NEW_YORK)
MONTHS = MonthlyPartitions("2013-01-01", "2014-01-01", tz=NEW_YORK)
