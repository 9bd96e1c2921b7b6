-- A use of the session: last activity, and the idle time begins anew; never past its end, and
-- never for a session that is gone: a touch must not bring back what was revoked meanwhile.
-- KEYS  session:<sid>  refresh:<sid>
-- ARGV  idle prefix sid
local r = redis.call('HMGET', KEYS[1], 'end', 'uid')
if not r[1] then return 0 end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local left = r[1] - now
redis.call('HSET', KEYS[1], 'last', now)
redis.call('PEXPIRE', KEYS[1], math.max(1, math.min(tonumber(ARGV[1]), left)))
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HSET', KEYS[2], 'last', now) end
-- A Redis that drops keys when it is full may have dropped the user's index: what is in use is in it.
local index = ARGV[2] .. 'user_sessions:' .. r[2]
if left > 0 then
  redis.call('ZADD', index, r[1], ARGV[3])
  if redis.call('PTTL', index) < left then redis.call('PEXPIRE', index, left) end
end
return 1
