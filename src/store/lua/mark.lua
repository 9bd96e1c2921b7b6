-- Something was ended: the mark moves on, so that a Redis that has gone back to an earlier state is
-- found out by whoever remembers the mark (see cache.h).
-- KEYS  mark
-- Returns the mark.  A new one begins with the time, which is ahead of every mark of before.
local mark = redis.call('INCR', KEYS[1])
if mark > 1 then return mark end
local t = redis.call('TIME')
mark = t[1] * 1000000 + t[2]
redis.call('SET', KEYS[1], string.format('%.0f', mark))
return mark
