-- Who the user is has changed (name, roles): every session of theirs says so from now on.
-- KEYS  marks  user_sessions:<uid>  user_changed:<uid>
-- ARGV  writer prefix who version life
-- life: so long, in milliseconds, a login that read the user before learns that it has to look again.
-- Returns {the mark, 1, how many records were changed, whether there may be more that only sessions_sweep
-- finds (1)}.  Two changes at once may arrive here in either order: the older never overwrites the newer.
-- include move_mark.lua
-- include forgets.lua
local mark = move_mark(KEYS[1], ARGV[1])
redis.call('SET', KEYS[3], '1', 'PX', ARGV[5])
local changed = 0
for _, sid in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  for _, kind in ipairs({'session:', 'refresh:'}) do
    local key = ARGV[2] .. kind .. sid
    local version = redis.call('HGET', key, 'version')
    if version and tonumber(version) <= tonumber(ARGV[4]) then
      redis.call('HSET', key, 'who', ARGV[3], 'version', ARGV[4])
      changed = changed + 1
    end
  end
end
return {mark, 1, changed, forgets() and 1 or 0}
