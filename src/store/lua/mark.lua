-- A writer's mark moves on: to the time, or by one where that is behind it.
-- KEYS  marks
-- ARGV  writer ended most            (ended: '1' where something was ended; most: how many writers are kept)
-- Returns {the mark, ended}.  The time puts a new mark ahead of every one of before: a Redis that was
-- emptied on purpose has not gone back.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local mark = math.max(tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0) + 1, now)
if redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', mark)) == 1 and
   redis.call('HLEN', KEYS[1]) > tonumber(ARGV[3]) then
  local all, oldest = redis.call('HGETALL', KEYS[1]), 1
  for i = 3, #all, 2 do
    if tonumber(all[i + 1]) < tonumber(all[oldest + 1]) then oldest = i end
  end
  redis.call('HDEL', KEYS[1], all[oldest])
end
return {mark, tonumber(ARGV[2])}
