/* asset
partitions = {kind = "monthly", start = "2013-01-01", end = "2014-01-01", tz = "America/New_York"}
schema = "nycflights.contracts:CarrierMonth"
owners = ["team:ops"]
tags = {domain = "flights"}
group = "marts"
description = "Flights of the month by carrier: how many, cancelled, minutes of delay at departure, minutes in the air."
*/
select
    $partition_key as month,
    flights.carrier,
    airlines.name as airline,
    count(*) as flights,
    count(*) filter (where flights.departed_at is null) as cancelled,
    coalesce(sum(flights.departure_delay_minutes), 0)::bigint as departure_delay_minutes,
    coalesce(sum(flights.air_time_minutes), 0)::bigint as air_time_minutes
from flights
left join airlines on airlines.carrier = flights.carrier
group by flights.carrier, airlines.name
order by flights.carrier
