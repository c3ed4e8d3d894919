-- How often the pointer was in each cell of a grid of 64 by 36; a click counts ten times.
select least(floor(x_norm * 64), 63)::int as x, least(floor(y_norm * 36), 35)::int as y,
       sum(case when kind::varchar = 'click' then 10 else 1 end)::bigint as n
from bronze.pointer_moved
where screen_id = $screen and x_norm between 0 and 1 and y_norm between 0 and 1
group by 1, 2
