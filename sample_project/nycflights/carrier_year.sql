/* asset
schema = "nycflights.contracts:CarrierYear"
owners = ["team:ops"]
tags = {domain = "flights"}
group = "marts"
description = "The year by carrier, from its months: flights, share cancelled, mean delay at departure, hours in the air."
*/
select
    carrier,
    airline,
    count(*) as months,
    sum(flights)::bigint as flights,
    sum(cancelled)::double / sum(flights) as cancelled_share,
    sum(departure_delay_minutes)::double / nullif(sum(flights - cancelled), 0) as mean_departure_delay_minutes,
    sum(air_time_minutes)::double / 60 as air_time_hours
from carrier_months
group by carrier, airline
order by flights desc, carrier
