"""Do the functions of the sample project do what they claim, called plainly on the real data and on small frames?

It must not run the engine: the sample as a whole is judged elsewhere, through the command.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pytest
from pandera.errors import SchemaErrors
from polars.testing import assert_frame_equal

from assets_core import Partition
from assets_core.loading.sql_files import read_sql_file

PROJECT = Path(__file__).parents[2] / "sample_project"
# The first and the last day, one of a snow storm, that of the impossible wind, those on which the clocks change.
DAYS = ["2013-01-01", "2013-02-09", "2013-02-12", "2013-03-10", "2013-11-03", "2013-12-31"]
WEATHER_COLUMNS = [
    "observed_at",
    "origin",
    "temperature_fahrenheit",
    "wind_speed_mph",
    "precipitation_inches",
    "visibility_miles",
]


pytestmark = pytest.mark.usefixtures("sample")


@pytest.fixture(scope="module")
def sample() -> Iterator[SimpleNamespace]:
    """Import the project's modules for these tests alone: other tests load copies of them from other folders."""
    others = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ("nycflights", "land")}
    names = ["cleaned", "contracts", "enriched", "marts", "parsing", "periods", "punctuality", "raw"]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROJECT))
        for name in others:
            del sys.modules[name]
        modules: dict[str, ModuleType] = {name: importlib.import_module(f"nycflights.{name}") for name in names}
        yield SimpleNamespace(land=importlib.import_module("land"), **modules)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("nycflights", "land")]:
        del sys.modules[name]
    sys.modules.update(others)


@pytest.fixture(scope="module")
def landing(sample: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landing")
    sample.land.land(folder)
    return folder


@pytest.fixture(scope="module")
def lists(sample: SimpleNamespace, landing: Path) -> SimpleNamespace:
    """The cleaned lists that every day is joined with."""
    read = {name: sample.raw.as_delivered(landing / f"{name}.csv") for name in ("planes", "airports", "airlines")}
    return SimpleNamespace(**{name: getattr(sample.cleaned, name)(frame).collect() for name, frame in read.items()})


def clean_day(sample: SimpleNamespace, landing: Path, asset: str, day: str) -> pl.DataFrame:
    clean = getattr(sample.cleaned, asset)
    frame: pl.DataFrame = clean(sample.raw.as_delivered(landing / asset / f"{day}.csv")).collect()
    return frame


def departures_of(
    sample: SimpleNamespace, lists: SimpleNamespace, flights: pl.DataFrame, weather: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    in_weather = sample.enriched.flights_in_weather(flights.lazy(), weather.lazy().select(WEATHER_COLUMNS)).collect()
    joined = sample.enriched.departures(
        in_weather.lazy(),
        lists.planes.lazy().select("tailnum", "built_year", "manufacturer", "seats"),
        lists.airports.lazy().select("airport", "name"),
        lists.airlines.lazy(),
    )
    return in_weather, joined.collect()


def a_day(sample: SimpleNamespace, key: str) -> Partition:
    days = sample.periods.DAYS
    partition: Partition = days.partition(days.ordinal(key))
    return partition


def a_month(sample: SimpleNamespace, key: str) -> Partition:
    months = sample.periods.MONTHS
    partition: Partition = months.partition(months.ordinal(key))
    return partition


def rows_below_headers(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") - 1 for path in folder.glob("*.csv"))


# --- landing


def test_landed_days_hold_every_row_of_the_source(landing: Path) -> None:
    assert len(list((landing / "flights").iterdir())) == len(list((landing / "weather").iterdir())) == 365
    assert rows_below_headers(landing / "flights") == 336_776
    assert rows_below_headers(landing / "weather") == 26_115


def test_landing_keeps_lines_as_the_source_has_them(sample: SimpleNamespace, landing: Path) -> None:
    header, first, *_ = (landing / "flights" / "2013-01-01.csv").read_text().splitlines()
    assert header.startswith("year,month,day,dep_time,")
    assert first == "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"
    assert ",NA,NA," in (landing / "flights" / "2013-02-09.csv").read_text()
    assert (landing / "planes.csv").read_bytes() == sample.land.source_file("planes.csv").read_bytes()


def test_a_day_without_rows_is_delivered_as_a_header(landing: Path) -> None:
    assert (landing / "weather" / "2013-12-31.csv").read_text().splitlines() == [
        "origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour"
    ]


def test_landing_again_writes_only_what_was_changed(sample: SimpleNamespace, tmp_path: Path) -> None:
    assert sample.land.land(tmp_path) == (733, 0)
    changed, untouched = tmp_path / "flights" / "2013-06-01.csv", tmp_path / "flights" / "2013-06-02.csv"
    delivered, long_ago = changed.read_bytes(), 1_000_000_000
    changed.write_bytes(delivered + b"more")
    os.utime(untouched, (long_ago, long_ago))
    assert sample.land.land(tmp_path) == (1, 732)
    assert changed.read_bytes() == delivered
    assert untouched.stat().st_mtime == long_ago
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


def test_a_row_outside_of_the_year_stops_the_landing(sample: SimpleNamespace) -> None:
    with pytest.raises(SystemExit, match="2014-1-2"):
        list(sample.land.by_day(b"year,month,day,temp\n2013,1,1,40\n2014,1,2,41\n"))


def test_the_landing_script_explains_itself() -> None:
    shown = subprocess.run([sys.executable, PROJECT / "land.py", "--help"], capture_output=True, text=True, check=True)
    assert "--landing DIR" in shown.stdout
    assert "one CSV a day" in shown.stdout


# --- contracts on the real data


@pytest.mark.parametrize("day", DAYS)
def test_contracts_hold_on_real_days(sample: SimpleNamespace, landing: Path, lists: SimpleNamespace, day: str) -> None:
    flights, weather = (clean_day(sample, landing, asset, day) for asset in ("flights", "weather"))
    in_weather, departures = departures_of(sample, lists, flights, weather)
    daily = sample.marts.daily_punctuality(departures.lazy()).collect()
    rolling = sample.marts.rolling_punctuality(daily.lazy(), a_day(sample, day)).collect()
    contracts = sample.contracts
    for contract, frame in (
        (contracts.Flight, flights),
        (contracts.Observation, weather),
        (contracts.FlightInWeather, in_weather),
        (contracts.Departure, departures),
        (contracts.DailyPunctuality, daily),
        (contracts.RollingPunctuality, rolling),
    ):
        contract.validate(frame, lazy=True)
    assert flights["scheduled_at"].dt.date().cast(pl.String).unique().to_list() == [day]
    assert in_weather.height == departures.height == daily["flights"].sum() == flights.height > 600
    assert sample.cleaned.clocks_agree_with_delays(flights).passed


def test_contracts_hold_on_the_lists(sample: SimpleNamespace, lists: SimpleNamespace) -> None:
    for contract, name, rows in (
        ("Plane", "planes", 3_322),
        ("Airport", "airports", 1_458),
        ("Airline", "airlines", 16),
    ):
        frame = getattr(lists, name)
        getattr(sample.contracts, contract).validate(frame, lazy=True)
        assert frame.height == rows


def test_contracts_hold_on_a_real_month(sample: SimpleNamespace, landing: Path, lists: SimpleNamespace) -> None:
    days = [f"2013-02-{day:02d}" for day in range(1, 29)]
    flights = pl.concat(clean_day(sample, landing, "flights", day) for day in days)
    weather = pl.concat(clean_day(sample, landing, "weather", day) for day in days)
    in_weather, departures = departures_of(sample, lists, flights, weather)
    month, contracts = a_month(sample, "2013-02"), sample.contracts
    destinations = sample.marts.destination_months(departures.lazy(), month).collect()
    contracts.DestinationMonth.validate(destinations, lazy=True)
    with duckdb.connect() as connection:
        relation = connection.from_arrow(in_weather.to_arrow())
        impact = pl.DataFrame(sample.marts.weather_impact(relation, month).to_arrow_table())
    contracts.WeatherImpact.validate(impact, lazy=True)
    carriers = run_sql("carrier_months", {"flights": flights, "airlines": lists.airlines}, partition_key="2013-02")
    contracts.CarrierMonth.validate(carriers, lazy=True)
    year = run_sql("carrier_year", {"carrier_months": carriers})
    contracts.CarrierYear.validate(year, lazy=True)
    usage = pl.DataFrame(sample.marts.plane_usage(flights.to_arrow(), lists.planes.to_arrow()))
    contracts.PlaneUsage.validate(usage, lazy=True)
    for frame in (destinations, impact, carriers, year):
        assert frame["flights"].sum() == flights.height == 24_951
    assert usage["flights"].sum() == flights["air_time_minutes"].count()
    assert impact.filter(condition="snow")["cancelled"].item() == 162


# --- cleaning


def test_the_night_of_23_hours_has_no_two_o_clock(sample: SimpleNamespace, landing: Path) -> None:
    weather = clean_day(sample, landing, "weather", "2013-03-10")
    assert weather.height == 3 * 23
    assert 2 not in weather["observed_at"].dt.hour()
    newark = weather.filter(origin="EWR")["observed_at"]
    assert newark.diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]


def test_the_night_of_25_hours_has_one_o_clock_twice(sample: SimpleNamespace, landing: Path) -> None:
    weather = clean_day(sample, landing, "weather", "2013-11-03")
    ones = weather.filter((pl.col("observed_at").dt.hour() == 1) & (pl.col("origin") == "EWR"))["observed_at"]
    assert ones.dt.convert_time_zone("UTC").to_list() == [datetime(2013, 11, 3, hour, tzinfo=UTC) for hour in (5, 6)]


def test_every_minute_of_the_day_is_read_and_2400_is_midnight(sample: SimpleNamespace) -> None:
    minutes = range(24 * 60)
    delivered = [str(minute // 60 * 100 + minute % 60) for minute in minutes] + ["2400", "NA"]
    read = pl.DataFrame({"t": delivered}).select(sample.parsing.clock("t"))["t"].to_list()
    assert read == [time(minute // 60, minute % 60) for minute in minutes] + [time(0, 0), None]


def test_a_value_that_is_no_number_fails_instead_of_becoming_null(sample: SimpleNamespace) -> None:
    with pytest.raises(pl.exceptions.InvalidOperationError, match="late"):
        pl.DataFrame({"dep_delay": ["5", "late"]}).select(sample.parsing.whole("dep_delay"))


def test_order_blanks_and_repeated_lines_do_not_change_a_cleaned_day(
    sample: SimpleNamespace, landing: Path, tmp_path: Path
) -> None:
    for asset in ("flights", "weather"):
        header, *lines = (landing / asset / "2013-06-01.csv").read_text().splitlines()
        padded = lines[5].replace(",", " , ")
        other = tmp_path / f"{asset}.csv"
        other.write_text("\n".join([header, *reversed(lines), lines[0], padded]) + "\n")
        cleaned = getattr(sample.cleaned, asset)(sample.raw.as_delivered(other)).collect()
        assert_frame_equal(cleaned, clean_day(sample, landing, asset, "2013-06-01"))


def test_a_flight_delivered_twice_with_different_facts_breaks_the_contract(
    sample: SimpleNamespace, landing: Path
) -> None:
    flights = clean_day(sample, landing, "flights", "2013-06-01")
    other = flights.head(1).with_columns(distance_miles=pl.lit(9, pl.Int16))
    with pytest.raises(SchemaErrors, match="not unique"):
        sample.contracts.Flight.validate(pl.concat([flights, other]), lazy=True)


def test_manufacturers_have_one_name_each(lists: SimpleNamespace) -> None:
    names = set(lists.planes["manufacturer"])
    assert {"AIRBUS", "MCDONNELL DOUGLAS", "BOMBARDIER"} <= names
    assert not {name for name in names if name.startswith(("AIRBUS ", "MCDONNELL DOUGLAS "))}


# --- checks


def test_the_wind_check_finds_the_one_impossible_wind_of_the_year(sample: SimpleNamespace, landing: Path) -> None:
    found = sample.cleaned.wind_is_possible(clean_day(sample, landing, "weather", "2013-02-12"))
    assert not found.passed
    assert found.message == "EWR 2013-02-12 03:00: 1,048.36 mph"
    assert found.metrics == {"impossible_winds": 1}
    whole = pl.concat(sample.raw.as_delivered(path) for path in sorted((landing / "weather").iterdir()))
    weather = sample.cleaned.weather(whole).collect()
    assert weather.height == 26_115
    assert sample.cleaned.wind_is_possible(weather).metrics == {"impossible_winds": 1}
    assert weather["wind_speed_mph"].drop_nulls().sort(descending=True)[1] == pytest.approx(42.57886)


def test_the_wind_check_passes_where_nothing_was_observed(sample: SimpleNamespace, landing: Path) -> None:
    assert sample.cleaned.wind_is_possible(clean_day(sample, landing, "weather", "2013-12-31")).passed


def test_a_delay_that_contradicts_the_clock_is_found(sample: SimpleNamespace, landing: Path) -> None:
    flights = clean_day(sample, landing, "flights", "2013-01-01")
    is_first = pl.int_range(pl.len()) == 0
    one_more = pl.when(is_first).then(pl.col("arrival_delay_minutes") + 1).otherwise("arrival_delay_minutes")
    found = sample.cleaned.clocks_agree_with_delays(flights.with_columns(arrival_delay_minutes=one_more))
    assert not found.passed
    assert found.message == "UA 1545 from EWR"
    never_left = pl.when(~is_first).then("departed_at")
    assert not sample.cleaned.clocks_agree_with_delays(flights.with_columns(departed_at=never_left)).passed


# --- joins and marts on small frames


def small_departures(**columns: Any) -> pl.LazyFrame:
    start = datetime(2013, 5, 1, 12, tzinfo=UTC)
    frame = pl.DataFrame(columns).with_columns(
        scheduled_at=pl.lit(start).dt.convert_time_zone("America/New_York"), origin=pl.lit("EWR")
    )
    return frame.lazy()


def test_a_flight_without_weather_or_registered_plane_is_kept(
    sample: SimpleNamespace, landing: Path, lists: SimpleNamespace
) -> None:
    flights, weather = (clean_day(sample, landing, asset, "2013-12-31") for asset in ("flights", "weather"))
    in_weather, departures = departures_of(sample, lists, flights, weather)
    assert in_weather["visibility_miles"].null_count() == flights.height
    assert 0 < departures["seats"].null_count() < flights.height
    assert_frame_equal(departures.select(flights.columns), flights)


def test_a_flight_is_late_from_the_fifteenth_minute(sample: SimpleNamespace) -> None:
    delays = pl.DataFrame({"arrival_delay_minutes": [-3, 14, 15, None]})
    assert delays.select(sample.punctuality.late()).to_series().to_list() == [False, False, True, None]


def test_daily_punctuality_counts_cancelled_and_diverted_flights_apart(sample: SimpleNamespace) -> None:
    departures = small_departures(
        airline=["A", "A", "A", "B"],
        departure_delay_minutes=[20, 5, None, 0],
        arrival_delay_minutes=[15, None, None, 14],
    )
    rows = sample.marts.daily_punctuality(departures).select(pl.exclude("day", "origin")).collect().rows()
    assert rows == [("A", 3, 1, 1, 1, 25), ("B", 1, 0, 1, 0, 0)]


def test_rolling_punctuality_weighs_days_by_their_flights(sample: SimpleNamespace) -> None:
    days = pl.DataFrame(
        {
            "day": [datetime(2013, 5, 1).date(), datetime(2013, 5, 2).date()],  # noqa: DTZ001  only the date counts
            "origin": ["EWR", "EWR"],
            "airline": ["A", "A"],
            "flights": [1, 9],
            "cancelled": [1, 1],
            "arrived": [0, 8],
            "late": [0, 2],
            "departure_delay_minutes": [0, 40],
        }
    )
    rolling = sample.marts.rolling_punctuality(days.lazy(), a_day(sample, "2013-05-02")).collect()
    assert rolling.row(0, named=True) == {
        "day": datetime(2013, 5, 2).date(),  # noqa: DTZ001  only the date counts
        "origin": "EWR",
        "days": 2,
        "flights": 10,
        "cancelled_share": 0.2,
        "late_share": 0.25,
        "mean_departure_delay_minutes": 5.0,
    }
    nothing_flew = sample.marts.rolling_punctuality(days.head(1).lazy(), a_day(sample, "2013-05-01")).collect()
    assert nothing_flew.select("late_share", "mean_departure_delay_minutes").row(0) == (None, None)


def test_plane_usage_counts_flights_that_were_flown(sample: SimpleNamespace) -> None:
    flights = pl.DataFrame(
        {
            "tailnum": ["N2", "N1", "N1", None],
            "air_time_minutes": [30, 60, None, None],
            "distance_miles": [100, 200, 300, 400],
        }
    )
    planes = pl.DataFrame({"tailnum": ["N1"], "manufacturer": ["BOEING"], "model": ["747"], "seats": [450]})
    usage = pl.DataFrame(sample.marts.plane_usage(flights.to_arrow(), planes.to_arrow()))
    assert usage.rows() == [("N1", 1, 60, 200, "BOEING", "747", 450), ("N2", 1, 30, 100, None, None, None)]


def test_carrier_months_keep_a_carrier_that_is_not_listed() -> None:
    flights = pl.DataFrame(
        {
            "carrier": ["ZZ", "AA", "AA"],
            "departed_at": [datetime(2013, 5, 1, tzinfo=UTC), datetime(2013, 5, 1, tzinfo=UTC), None],
            "departure_delay_minutes": [4, 6, None],
            "air_time_minutes": [10, None, None],
        }
    )
    airlines = pl.DataFrame({"carrier": ["AA"], "name": ["American"]})
    months = run_sql("carrier_months", {"flights": flights, "airlines": airlines}, partition_key="2013-05")
    assert months.rows() == [("2013-05", "AA", "American", 2, 1, 6, 0), ("2013-05", "ZZ", None, 1, 0, 4, 10)]


def run_sql(name: str, tables: dict[str, pl.DataFrame], **parameters: str) -> pl.DataFrame:
    """Run the query of a SQL file as the engine does: the header taken off, upstreams under the names of its tables."""
    declaration = read_sql_file(PROJECT / "nycflights" / f"{name}.sql")
    assert declaration is not None
    with duckdb.connect() as connection:
        for table, frame in tables.items():
            connection.register(table, frame.to_arrow())
        return pl.DataFrame(connection.sql(declaration.query, params=parameters).to_arrow_table())
