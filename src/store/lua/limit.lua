-- The generic cell rate algorithm: one key holds the theoretical arrival time (microseconds).
-- KEYS  ratelimit:<name>:<subject>
-- ARGV  count period cost          (period in milliseconds; cost 0 only looks)
-- Returns {allowed, remaining, milliseconds until one more is allowed, … until it is as new}.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local count = tonumber(ARGV[1])
local period = tonumber(ARGV[2]) * 1000
local step = period / count
local tat = tonumber(redis.call('GET', KEYS[1]) or now)
-- A clock that was set back must not close the door for as long as it was set back.
if tat < now or tat > now + period then tat = math.min(math.max(tat, now), now + period) end
local cost = tonumber(ARGV[3])
local after = tat + step * math.max(cost, 1)
local wait = after - (now + period)
if wait > 0 then
  return {0, 0, math.ceil(wait / 1000), math.ceil((tat - now) / 1000)}
end
if cost > 0 then
  tat = after
  redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.max(1, math.ceil((tat - now) / 1000)))
end
return {1, math.floor((now + period - tat) / step), 0, math.ceil((tat - now) / 1000)}
