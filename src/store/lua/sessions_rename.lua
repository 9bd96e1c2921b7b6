-- Who the user is has changed (name, roles): every session of theirs says so from now on.
-- KEYS  user_sessions:<uid>  user_changed:<uid>
-- ARGV  prefix who version life
-- life: so long, in milliseconds, a login that read the user before learns that it has to look again.
-- Two changes at once may arrive here in either order: the older never overwrites the newer.
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
return changed
