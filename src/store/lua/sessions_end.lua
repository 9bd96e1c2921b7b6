-- Ends every session of a user, but for one that may be kept.
-- KEYS  user_sessions:<uid>  user_changed:<uid>  [blacklist:<jti>]
-- ARGV  prefix except ttl life       (milliseconds)
-- life: so long a login that read the user before learns that it has to look again.
-- Returns {how many were ended, whether there may be more that only sessions_sweep finds (1)}.
-- Whether this Redis drops keys when it is full, or has done so: then the index may lack sessions that
-- live.  Where it does not say, nobody can tell, and that means yes.
local function forgets()
  local memory, stats = redis.pcall('INFO', 'memory'), redis.pcall('INFO', 'stats')
  if type(memory) ~= 'string' or type(stats) ~= 'string' then return true end
  return string.match(stats, 'evicted_keys:(%d+)') ~= '0' or
    (string.match(memory, 'maxmemory:(%d+)') ~= '0' and
     string.match(memory, 'maxmemory_policy:([%w-]+)') ~= 'noeviction')
end
redis.call('SET', KEYS[2], '1', 'PX', ARGV[4])
if KEYS[3] then redis.call('SET', KEYS[3], '1', 'PX', ARGV[3]) end
local ended = 0
for _, sid in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if sid ~= ARGV[2] then
    if redis.call('DEL', ARGV[1] .. 'session:' .. sid, ARGV[1] .. 'refresh:' .. sid) > 0 then
      ended = ended + 1
    end
    redis.call('ZREM', KEYS[1], sid)
  end
end
return {ended, forgets() and 1 or 0}
