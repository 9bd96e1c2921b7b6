-- Something was ended: the mark moves on, so that a Redis that has gone back to an earlier state is
-- found out by whoever remembers the mark (see cache.h).  Something was begun: there is a mark.
-- KEYS  mark
-- ARGV  ended                       '1', or '0' for something that was begun
-- Returns the mark.  A new one begins with the time, which is ahead of every mark of before: a Redis that
-- was emptied on purpose has not gone back.
local mark = redis.call('GET', KEYS[1])
if mark then return ARGV[1] == '1' and redis.call('INCR', KEYS[1]) or tonumber(mark) end
local t = redis.call('TIME')
mark = t[1] * 1000000 + t[2]
redis.call('SET', KEYS[1], string.format('%.0f', mark))
return mark
