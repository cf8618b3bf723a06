"""Second layer: each flight with what is known about its hour, its aircraft, its airline and where it goes."""

from typing import Annotated

import polars as pl

from assets_core import Upstream, asset
from nycflights.contracts import Departure, FlightInWeather
from nycflights.periods import DAYS

OWNERS = ["team:data"]


@asset(partitions=DAYS, schema=FlightInWeather, owners=OWNERS, tags={"domain": "flights"}, group="enriched")
def flights_in_weather(
    flights: pl.LazyFrame,
    weather: Annotated[
        pl.LazyFrame,
        Upstream(
            columns=[
                "observed_at",
                "origin",
                "temperature_fahrenheit",
                "wind_speed_mph",
                "precipitation_inches",
                "visibility_miles",
            ]
        ),
    ],
) -> pl.LazyFrame:
    """Each flight with the weather at its airport when it was to leave; 1,556 of the year have none."""
    hour = pl.col("scheduled_at").dt.truncate("1h")
    return (
        flights.with_columns(observed_at=hour)
        .join(weather, on=["origin", "observed_at"], how="left", maintain_order="left")
        .drop("observed_at")
    )


@asset(partitions=DAYS, schema=Departure, owners=OWNERS, tags={"domain": "flights"}, group="enriched")
def departures(
    flights_in_weather: pl.LazyFrame,
    planes: Annotated[pl.LazyFrame, Upstream(columns=["tailnum", "built_year", "manufacturer", "seats"])],
    airports: Annotated[pl.LazyFrame, Upstream(columns=["airport", "name"])],
    airlines: pl.LazyFrame,
) -> pl.LazyFrame:
    """Each flight with its weather, its aircraft if registered, its airline and the name of its destination."""
    age = pl.col("scheduled_at").dt.year().cast(pl.Int16) - pl.col("built_year")
    return (
        flights_in_weather.join(planes, on="tailnum", how="left", maintain_order="left")
        .join(
            airports.rename({"airport": "destination", "name": "destination_name"}),
            on="destination",
            how="left",
            maintain_order="left",
        )
        .join(airlines.rename({"name": "airline"}), on="carrier", how="left", maintain_order="left")
        .with_columns(plane_age_years=age)
        .drop("built_year")
    )
