-- Whether this Redis drops keys when it is full, or has done so: then a user's index may lack sessions that
-- live.  Where it does not say, nobody can tell, and that means yes.
local function forgets()
  local memory, stats = redis.pcall('INFO', 'memory'), redis.pcall('INFO', 'stats')
  if type(memory) ~= 'string' or type(stats) ~= 'string' then return true end
  return string.match(stats, 'evicted_keys:(%d+)') ~= '0' or
    (string.match(memory, 'maxmemory:(%d+)') ~= '0' and
     string.match(memory, 'maxmemory_policy:([%w-]+)') ~= 'noeviction')
end
