"""Third layer: what is asked about the flights, by day, by month and over the year. Two more marts are SQL files."""

from typing import Annotated

import duckdb
import polars as pl
import pyarrow as pa

from assets_core import Partition, TimeWindow, Upstream, asset
from nycflights.contracts import DailyPunctuality, DestinationMonth, PlaneUsage, RollingPunctuality, WeatherImpact
from nycflights.periods import DAYS, MONTHS
from nycflights.punctuality import late

OWNERS = ["team:ops"]
CONDITION = """
    case
        when visibility_miles is null then 'not observed'
        when visibility_miles < 1 then 'fog'
        when precipitation_inches > 0 and temperature_fahrenheit <= 32 then 'snow'
        when precipitation_inches > 0 then 'rain'
        when wind_speed_mph >= 25 then 'wind'
        else 'fair'
    end
"""


@asset(partitions=DAYS, schema=DailyPunctuality, owners=OWNERS, tags={"domain": "flights"}, group="marts")
def daily_punctuality(
    departures: Annotated[
        pl.LazyFrame,
        Upstream(
            columns=["scheduled_at", "origin", "airline", "departure_delay_minutes", "arrival_delay_minutes"],
        ),
    ],
) -> pl.LazyFrame:
    """Flights of the day by airport and airline: how many, cancelled, arrived, late, and the delay at departure."""
    return (
        departures.group_by(pl.col("scheduled_at").dt.date().alias("day"), "origin", "airline")
        .agg(
            flights=pl.len().cast(pl.Int64),
            cancelled=pl.col("departure_delay_minutes").is_null().sum().cast(pl.Int64),
            arrived=pl.col("arrival_delay_minutes").count().cast(pl.Int64),
            late=late().sum().cast(pl.Int64),
            departure_delay_minutes=pl.col("departure_delay_minutes").cast(pl.Int64).sum(),
        )
        .sort("origin", "airline")
    )


@asset(partitions=DAYS, schema=RollingPunctuality, owners=OWNERS, tags={"domain": "flights"}, group="marts")
def rolling_punctuality(
    daily_punctuality: Annotated[pl.LazyFrame, Upstream(mapping=TimeWindow(last=7))], partition: Partition
) -> pl.LazyFrame:
    """The seven days up to the day by airport: share of flights cancelled and late, and the mean delay at departure.

    The first days of the year look back on fewer: `days` says how many.
    """
    flown = pl.col("flights").sum() - pl.col("cancelled").sum()
    return (
        daily_punctuality.group_by("origin")
        .agg(
            days=pl.col("day").n_unique().cast(pl.Int64),
            flights=pl.col("flights").sum(),
            cancelled_share=pl.col("cancelled").sum() / pl.col("flights").sum(),
            late_share=(pl.col("late").sum() / pl.col("arrived").sum()).fill_nan(None),
            mean_departure_delay_minutes=(pl.col("departure_delay_minutes").sum() / flown).fill_nan(None),
        )
        .select(pl.lit(partition.key).str.to_date().alias("day"), pl.all())
        .sort("origin")
    )


@asset(partitions=MONTHS, schema=DestinationMonth, owners=OWNERS, tags={"domain": "geography"}, group="marts")
def destination_months(
    departures: Annotated[
        pl.LazyFrame,
        Upstream(
            columns=[
                "departed_at",
                "airline",
                "destination",
                "destination_name",
                "arrival_delay_minutes",
                "distance_miles",
                "plane_age_years",
            ]
        ),
    ],
    partition: Partition,
) -> pl.LazyFrame:
    """Flights of the month by destination: how many, cancelled, late, how far, and how old the aircraft are."""
    return (
        departures.group_by("destination", "destination_name")
        .agg(
            flights=pl.len().cast(pl.Int64),
            airlines=pl.col("airline").n_unique().cast(pl.Int64),
            cancelled=pl.col("departed_at").is_null().sum().cast(pl.Int64),
            late_share=late().mean(),
            longest_distance_miles=pl.col("distance_miles").max(),
            mean_plane_age_years=pl.col("plane_age_years").mean(),
        )
        .select(pl.lit(partition.key).alias("month"), pl.all())
        .sort("destination")
    )


@asset(partitions=MONTHS, schema=WeatherImpact, owners=OWNERS, tags={"domain": "weather"}, group="marts")
def weather_impact(flights_in_weather: duckdb.DuckDBPyRelation, partition: Partition) -> duckdb.DuckDBPyRelation:
    """Flights of the month by the weather in which they were to leave: how many, cancelled, and how late they left."""
    by_condition = (
        flights_in_weather.project(f"*, {CONDITION} as condition")
        .aggregate(
            """
            condition,
            count(*) as flights,
            count(*) filter (where departed_at is null) as cancelled,
            avg(departure_delay_minutes) as mean_departure_delay_minutes
            """,
            "condition",
        )
        .order("condition")
    )
    return by_condition.select(duckdb.ConstantExpression(partition.key).alias("month"), duckdb.StarExpression())


@asset(schema=PlaneUsage, owners=OWNERS, tags={"domain": "fleet"}, group="marts")
def plane_usage(
    flights: Annotated[pa.Table, Upstream(columns=["tailnum", "air_time_minutes", "distance_miles"])], planes: pa.Table
) -> pa.Table:
    """Every aircraft that flew in the year: flights, minutes in the air, miles, and what the register says it is."""
    usage = (
        flights.drop_null()
        .group_by("tailnum")
        .aggregate([("distance_miles", "count"), ("air_time_minutes", "sum"), ("distance_miles", "sum")])
        .rename_columns(["tailnum", "flights", "air_time_minutes", "distance_miles"])
    )
    register = planes.select(["tailnum", "manufacturer", "model", "seats"])
    return usage.join(register, "tailnum", join_type="left outer").sort_by("tailnum")
