-- Ends every session of a user, but for one that may be kept.
-- KEYS  marks  user_sessions:<uid>  user_changed:<uid>
-- ARGV  writer prefix except life       (life in milliseconds)
-- life: so long a login that read the user before learns that it has to look again.
-- Returns {the mark, 1, how many were ended, whether there may be more that only sessions_sweep finds (1)}.
-- include move_mark.lua
-- include forgets.lua
local mark = move_mark(KEYS[1], ARGV[1])
redis.call('SET', KEYS[3], '1', 'PX', ARGV[4])
local ended = 0
for _, sid in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if sid ~= ARGV[3] then
    if redis.call('DEL', ARGV[2] .. 'session:' .. sid, ARGV[2] .. 'refresh:' .. sid) > 0 then
      ended = ended + 1
    end
    redis.call('ZREM', KEYS[2], sid)
  end
end
return {mark, 1, ended, forgets() and 1 or 0}
