"""First layer: each delivery with types, units, one row a thing, in one order, so that equal facts give equal data."""

import polars as pl

from assets_core import CheckResult, asset, check, check_result
from nycflights.contracts import Airline, Airport, Flight, Observation, Plane
from nycflights.parsing import clock, decimal, minute_of_day, moment, text, whole
from nycflights.periods import DAYS

OWNERS = ["team:data"]
ONE_NAME = {  # manufacturers that the register spells in several ways
    "AIRBUS INDUSTRIE": "AIRBUS",
    "BOMBARDIER INC": "BOMBARDIER",
    "MCDONNELL DOUGLAS AIRCRAFT CO": "MCDONNELL DOUGLAS",
    "MCDONNELL DOUGLAS CORPORATION": "MCDONNELL DOUGLAS",
}
NAMED = 5  # rows that the message of a check names
STRONGEST_WIND_MPH = 253  # the strongest gust ever measured outside of a tornado: Barrow Island, 10 April 1996


@asset(partitions=DAYS, schema=Flight, owners=OWNERS, tags={"domain": "flights"}, group="cleaned")
def flights(raw_flights: pl.LazyFrame) -> pl.LazyFrame:
    """One row a departure scheduled on the day, in New York's time; lines delivered twice count once.

    A cancelled flight has no `departed_at`; a diverted one has no `arrival_delay_minutes`.
    """
    scheduled_at = moment("time_hour") + pl.duration(minutes=whole("minute"))
    departure_delay = whole("dep_delay")
    return (
        raw_flights.select(
            scheduled_at=scheduled_at,
            departed_at=scheduled_at + pl.duration(minutes=departure_delay),
            carrier=text("carrier"),
            flight=whole("flight"),
            tailnum=text("tailnum"),
            origin=text("origin"),
            destination=text("dest"),
            departure_time=clock("dep_time"),
            scheduled_arrival_time=clock("sched_arr_time"),
            arrival_time=clock("arr_time"),
            departure_delay_minutes=departure_delay,
            arrival_delay_minutes=whole("arr_delay"),
            air_time_minutes=whole("air_time"),
            distance_miles=whole("distance"),
        )
        .unique()
        .sort("scheduled_at", "carrier", "flight", "origin")
    )


@check(flights)
def clocks_agree_with_delays(flights: pl.DataFrame) -> CheckResult:
    """Clocks show the scheduled time plus the delay, at departure and at arrival; what never left never arrives.

    It holds for all 336,776 flights of the year, over midnight and when the clocks change.
    """
    arrived_late = minute_of_day("arrival_time") - minute_of_day("scheduled_arrival_time")
    departure_differs = pl.col("departed_at").dt.time().ne_missing(pl.col("departure_time"))
    arrival_differs = (arrived_late - pl.col("arrival_delay_minutes")) % (24 * 60) != 0
    never_left = pl.col("departed_at").is_null() & pl.col("arrival_time").is_not_null()
    wrong = flights.filter(departure_differs | arrival_differs.fill_null(value=False) | never_left)
    named = [
        f"{carrier} {flight} from {origin}"
        for carrier, flight, origin in wrong.select("carrier", "flight", "origin").rows()
    ]
    return check_result(wrong.is_empty(), ", ".join(named[:NAMED]), contradicting_flights=wrong.height)


@asset(partitions=DAYS, schema=Observation, owners=OWNERS, tags={"domain": "weather"}, group="cleaned")
def weather(raw_weather: pl.LazyFrame) -> pl.LazyFrame:
    """One row an airport and hour that was observed: up to 72 a day, 69 and 75 on the days when the clocks change."""
    return (
        raw_weather.select(
            observed_at=moment("time_hour"),
            origin=text("origin"),
            temperature_fahrenheit=decimal("temp"),
            dew_point_fahrenheit=decimal("dewp"),
            humidity_percent=decimal("humid"),
            wind_direction_degrees=whole("wind_dir"),
            wind_speed_mph=decimal("wind_speed"),
            wind_gust_mph=decimal("wind_gust"),
            precipitation_inches=decimal("precip"),
            pressure_millibars=decimal("pressure"),
            visibility_miles=decimal("visib"),
        )
        .unique()
        .sort("observed_at", "origin")
    )


@check(weather, severity="warn")
def wind_is_possible(weather: pl.DataFrame) -> CheckResult:
    """No wind is stronger than the strongest ever measured outside of a tornado, 253 mph.

    It finds one of the 26,115 observations of the year: Newark, 2013-02-12 03:00, 1,048.36 mph, faster than sound. The
    second strongest wind of the year is 42.6 mph. The row is in the source, so it is published, with this warning.
    """
    impossible = weather.filter(pl.col("wind_speed_mph") > STRONGEST_WIND_MPH)
    message = "; ".join(
        f"{row['origin']} {row['observed_at']:%Y-%m-%d %H:%M}: {row['wind_speed_mph']:,.2f} mph"
        for row in impossible.iter_rows(named=True)
    )
    return check_result(impossible.is_empty(), message, impossible_winds=impossible.height)


@asset(schema=Plane, owners=OWNERS, tags={"domain": "fleet"}, group="cleaned")
def planes(raw_planes: pl.LazyFrame) -> pl.LazyFrame:
    """The register of aircraft by tail number, each manufacturer under one name."""
    return (
        raw_planes.select(
            tailnum=text("tailnum"),
            built_year=whole("year"),
            type=text("type"),
            manufacturer=text("manufacturer").replace(ONE_NAME),
            model=text("model"),
            engines=whole("engines"),
            seats=whole("seats"),
            cruising_speed_mph=whole("speed"),
            engine=text("engine"),
        )
        .unique()
        .sort("tailnum")
    )


@asset(schema=Airport, owners=OWNERS, tags={"domain": "geography"}, group="cleaned")
def airports(raw_airports: pl.LazyFrame) -> pl.LazyFrame:
    """Airports of the United States by their code. Those of Puerto Rico and the Virgin Islands are missing."""
    return (
        raw_airports.select(
            airport=text("faa"),
            name=text("name"),
            latitude=decimal("lat"),
            longitude=decimal("lon"),
            altitude_feet=whole("alt"),
            time_zone=text("tzone"),
        )
        .unique()
        .sort("airport")
    )


@asset(schema=Airline, owners=OWNERS, tags={"domain": "fleet"}, group="cleaned")
def airlines(raw_airlines: pl.LazyFrame) -> pl.LazyFrame:
    """Airlines by carrier code."""
    return raw_airlines.select(carrier=text("carrier"), name=text("name")).unique().sort("carrier")
