-- The newest word on each quake, and what is left of the strongest.
with latest as (
  select *, row_number() over (partition by id order by properties.updated desc, _offset desc) as place_of
  from bronze.quakes
)
select round(properties.mag, 1) as mag, properties.place, properties.status,
       round(geometry.coordinates[3], 1) as depth_km, event_time::varchar as at
from latest
where place_of = 1
order by properties.mag desc, id
limit 5
