"""What each asset promises of its data; judged before a partition is published, row by row.

A contract of an enriched asset names its key and what the join added: the rest was judged where it was cleaned.
"""

from typing import Annotated

import polars as pl
from pandera.polars import DataFrameModel, Field

Moment = Annotated[pl.Datetime, "us", "America/New_York"]

ORIGINS = ["EWR", "JFK", "LGA"]
FLIGHT_KEY = ["scheduled_at", "carrier", "flight", "origin"]
OBSERVATION_KEY = ["observed_at", "origin"]
SHARE = {"min_value": 0, "max_value": 1}


class Flight(DataFrameModel):
    """A departure: what was scheduled and what came of it."""

    scheduled_at: Moment
    departed_at: Moment = Field(nullable=True)
    carrier: str
    flight: pl.Int16 = Field(gt=0)
    tailnum: str = Field(nullable=True)
    origin: str = Field(isin=ORIGINS)
    destination: str
    departure_time: pl.Time = Field(nullable=True)
    scheduled_arrival_time: pl.Time
    arrival_time: pl.Time = Field(nullable=True)
    departure_delay_minutes: pl.Int16 = Field(nullable=True)
    arrival_delay_minutes: pl.Int16 = Field(nullable=True)
    air_time_minutes: pl.Int16 = Field(nullable=True, gt=0)
    distance_miles: pl.Int16 = Field(gt=0)

    class Config:
        strict = True
        unique = FLIGHT_KEY


class Observation(DataFrameModel):
    """The weather at an airport in an hour."""

    observed_at: Moment
    origin: str = Field(isin=ORIGINS)
    temperature_fahrenheit: float = Field(nullable=True, in_range={"min_value": -40, "max_value": 130})
    dew_point_fahrenheit: float = Field(nullable=True)
    humidity_percent: float = Field(nullable=True, in_range={"min_value": 0, "max_value": 100})
    wind_direction_degrees: pl.Int16 = Field(nullable=True, in_range={"min_value": 0, "max_value": 360})
    wind_speed_mph: float = Field(nullable=True, ge=0)
    wind_gust_mph: float = Field(nullable=True)
    precipitation_inches: float = Field(ge=0)
    pressure_millibars: float = Field(nullable=True)
    visibility_miles: float = Field(ge=0)

    class Config:
        strict = True
        unique = OBSERVATION_KEY


class Plane(DataFrameModel):
    """An aircraft of the register."""

    tailnum: str = Field(unique=True)
    built_year: pl.Int16 = Field(nullable=True, in_range={"min_value": 1950, "max_value": 2013})
    type: str
    manufacturer: str
    model: str
    engines: pl.Int16 = Field(in_range={"min_value": 1, "max_value": 4})
    seats: pl.Int16 = Field(gt=0)
    cruising_speed_mph: pl.Int16 = Field(nullable=True, gt=0)
    engine: str

    class Config:
        strict = True


class Airport(DataFrameModel):
    """An airport and where it is."""

    airport: str = Field(unique=True, str_length={"min_value": 3, "max_value": 3})
    name: str
    latitude: float = Field(in_range={"min_value": -90, "max_value": 90})
    longitude: float = Field(in_range={"min_value": -180, "max_value": 180})
    altitude_feet: pl.Int16
    time_zone: str = Field(nullable=True)

    class Config:
        strict = True


class Airline(DataFrameModel):
    """An airline by its carrier code."""

    carrier: str = Field(unique=True, str_length={"min_value": 2, "max_value": 2})
    name: str

    class Config:
        strict = True


class KnownFlight(DataFrameModel):
    """What says which flight a row is of; no join may double a flight."""

    scheduled_at: Moment
    carrier: str
    flight: pl.Int16
    origin: str

    class Config:
        unique = FLIGHT_KEY


class FlightInWeather(KnownFlight):
    """A flight with the weather of its hour."""

    temperature_fahrenheit: float = Field(nullable=True)
    wind_speed_mph: float = Field(nullable=True)
    precipitation_inches: float = Field(nullable=True)
    visibility_miles: float = Field(nullable=True)


class Departure(KnownFlight):
    """A flight with its aircraft, airline and destination."""

    airline: str
    destination_name: str = Field(nullable=True)
    manufacturer: str = Field(nullable=True)
    seats: pl.Int16 = Field(nullable=True)
    plane_age_years: pl.Int16 = Field(nullable=True, ge=0)


class DailyPunctuality(DataFrameModel):
    """A day of an airline at an airport."""

    day: pl.Date
    origin: str
    airline: str
    flights: pl.Int64 = Field(gt=0)
    cancelled: pl.Int64 = Field(ge=0)
    arrived: pl.Int64 = Field(ge=0)
    late: pl.Int64 = Field(ge=0)
    departure_delay_minutes: pl.Int64

    class Config:
        strict = True


class RollingPunctuality(DataFrameModel):
    """Up to seven days of an airport; a share is null where nothing flew."""

    day: pl.Date
    origin: str = Field(isin=ORIGINS)
    days: pl.Int64 = Field(in_range={"min_value": 1, "max_value": 7})
    flights: pl.Int64
    cancelled_share: float = Field(in_range=SHARE)
    late_share: float = Field(nullable=True, in_range=SHARE)
    mean_departure_delay_minutes: float = Field(nullable=True)

    class Config:
        strict = True


class DestinationMonth(DataFrameModel):
    """A month of a destination."""

    month: str
    destination: str = Field(unique=True)
    destination_name: str = Field(nullable=True)
    flights: pl.Int64 = Field(gt=0)
    airlines: pl.Int64 = Field(gt=0)
    cancelled: pl.Int64 = Field(ge=0)
    late_share: float = Field(nullable=True, in_range=SHARE)
    longest_distance_miles: pl.Int16 = Field(gt=0)
    mean_plane_age_years: float = Field(nullable=True, ge=0)

    class Config:
        strict = True


class WeatherImpact(DataFrameModel):
    """A month of flights that were to leave in one kind of weather."""

    month: str
    condition: str = Field(unique=True, isin=["fair", "fog", "not observed", "rain", "snow", "wind"])
    flights: pl.Int64 = Field(gt=0)
    cancelled: pl.Int64 = Field(ge=0)
    mean_departure_delay_minutes: float = Field(nullable=True)

    class Config:
        strict = True


class PlaneUsage(DataFrameModel):
    """A year of an aircraft."""

    tailnum: str = Field(unique=True)
    flights: pl.Int64 = Field(gt=0)
    air_time_minutes: pl.Int64 = Field(gt=0)
    distance_miles: pl.Int64 = Field(gt=0)
    manufacturer: str = Field(nullable=True)
    model: str = Field(nullable=True)
    seats: pl.Int16 = Field(nullable=True)

    class Config:
        strict = True


class CarrierMonth(DataFrameModel):
    """A month of a carrier."""

    month: str
    carrier: str = Field(unique=True)
    airline: str
    flights: pl.Int64 = Field(gt=0)
    cancelled: pl.Int64 = Field(ge=0)
    departure_delay_minutes: pl.Int64
    air_time_minutes: pl.Int64 = Field(ge=0)

    class Config:
        strict = True


class CarrierYear(DataFrameModel):
    """The year of a carrier."""

    carrier: str = Field(unique=True)
    airline: str
    months: pl.Int64 = Field(in_range={"min_value": 1, "max_value": 12})
    flights: pl.Int64 = Field(gt=0)
    cancelled_share: float = Field(in_range=SHARE)
    mean_departure_delay_minutes: float = Field(nullable=True)
    air_time_hours: float = Field(ge=0)

    class Config:
        strict = True
