-- Who the user is has changed (name, roles): every session of theirs says so from now on.
-- KEYS  user_sessions:<uid>  user_changed:<uid>
-- ARGV  prefix who version life
-- life: so long, in milliseconds, a login that read the user before learns that it has to look again.
-- Returns {how many records were changed, whether there may be more that only sessions_sweep finds (1)}.
-- Two changes at once may arrive here in either order: the older never overwrites the newer.
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
local changed = 0
for _, sid in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  for _, kind in ipairs({'session:', 'refresh:'}) do
    local key = ARGV[1] .. kind .. sid
    local version = redis.call('HGET', key, 'version')
    if version and tonumber(version) <= tonumber(ARGV[3]) then
      redis.call('HSET', key, 'who', ARGV[2], 'version', ARGV[3])
      changed = changed + 1
    end
  end
end
return {changed, forgets() and 1 or 0}
