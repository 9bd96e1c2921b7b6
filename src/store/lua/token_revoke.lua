-- An access token is refused from now on, its session goes on.
-- KEYS  marks  blacklist:<jti>  [session:<sid>  refresh:<sid>]
-- ARGV  writer jti ttl                                              (of the blacklist key, milliseconds)
-- The session's own records say so as well: a Redis that drops keys when it is full may drop the
-- blacklist's, but with the session nothing of it is left to be let in.
-- Returns {the mark, 1}.
-- include move_mark.lua
local mark = move_mark(KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[3])
for i = 3, #KEYS do
  local revoked = redis.call('HGET', KEYS[i], 'revoked') or ''
  if redis.call('EXISTS', KEYS[i]) == 1 and not string.find(revoked, ARGV[2], 1, true) then
    -- The latest alone: the others' tokens have expired, but for somebody's who revokes in masses.
    redis.call('HSET', KEYS[i], 'revoked', string.sub(revoked .. ARGV[2] .. ' ', -1024))
  end
end
return {mark, 1}
