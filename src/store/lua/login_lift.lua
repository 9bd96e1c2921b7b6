-- An administrator lets the owner of an account in again: what was used up under its name is given back.
-- KEYS  login_known:<account>  ratelimit:login_account:<account>  ratelimit:login_failures:<account>
local ended = redis.call('DEL', KEYS[2], KEYS[3])
for _, place in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  ended = ended + redis.call('DEL', KEYS[2] .. ':' .. place, KEYS[3] .. ':' .. place)
end
return ended
