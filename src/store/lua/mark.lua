-- A writer's mark moves on: to the time, or by one where that is behind it.
-- KEYS  marks
-- ARGV  writer ended kept            (ended: '1' where something was ended; kept: for how long a writer that
--                                    does not move is, in microseconds)
-- Returns {the mark, ended}.  The time puts a new mark ahead of every one of before: a Redis that was
-- emptied on purpose has not gone back.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local mark = math.max(tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0) + 1, now)
if redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', mark)) == 1 then
  -- A new writer: a service has started.  Those that ended long ago go.
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if tonumber(all[i + 1]) < now - ARGV[3] then redis.call('HDEL', KEYS[1], all[i]) end
  end
end
return {mark, tonumber(ARGV[2])}
