-- A use of the session: last activity, and the idle time begins anew; never past its end, and
-- never for a session that is gone: a touch must not bring back what was revoked meanwhile.
-- KEYS  session:<sid>  refresh:<sid>
-- ARGV  idle
local last = redis.call('HGET', KEYS[1], 'end')
if not last then return 0 end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], 'last', now)
redis.call('PEXPIRE', KEYS[1], math.max(1, math.min(tonumber(ARGV[1]), last - now)))
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HSET', KEYS[2], 'last', now) end
return 1
