-- One use of a refresh token.  The first use rotates it; within the grace further uses get the
-- nonce of the first, from which everyone derives the same successor; after that it is theft.
-- KEYS  refresh:<sid>  session:<sid>  refresh_spent:<sid>:<presented>
-- ARGV  family presented next nonce ttl idle grace prefix sid
-- Returns {'unknown'}, {'reused', uid} or {'rotated', nonce, uid, who, milliseconds to the end}.
local r = redis.call('HMGET', KEYS[1], 'family', 'current', 'uid', 'who', 'client', 'created', 'end',
  'version', 'revoked')
-- Only who was handed a token of this family knows the family's secret: a token made up from a
-- session id, which is public, ends nobody's session.
if not r[1] or r[1] ~= ARGV[1] then return {'unknown'} end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local left = r[7] - now
if left <= 0 then return {'unknown'} end
local nonce = ARGV[4]
if r[2] == ARGV[3] then
  -- This very question, asked once more because its answer was lost on the way.
elseif r[2] == ARGV[2] then
  redis.call('HSET', KEYS[1], 'current', ARGV[3], 'last', now)
  redis.call('PEXPIRE', KEYS[1], math.min(tonumber(ARGV[5]), left))
  if tonumber(ARGV[7]) > 0 then redis.call('SET', KEYS[3], nonce, 'PX', ARGV[7]) end
else
  nonce = redis.call('GET', KEYS[3])
  if not nonce then
    redis.call('DEL', KEYS[1], KEYS[2])
    redis.call('ZREM', ARGV[8] .. 'user_sessions:' .. r[3], ARGV[9])
    return {'reused', r[3]}
  end
end
redis.call('HSET', KEYS[2], 'uid', r[3], 'who', r[4], 'version', r[8], 'client', r[5], 'created', r[6],
  'last', now, 'end', r[7])
if r[9] then redis.call('HSET', KEYS[2], 'revoked', r[9]) end
redis.call('PEXPIRE', KEYS[2], math.min(tonumber(ARGV[6]), left))
-- As in session_touch: the user's index may have been dropped.
local index = ARGV[8] .. 'user_sessions:' .. r[3]
redis.call('ZADD', index, r[7], ARGV[9])
if redis.call('PTTL', index) < left then redis.call('PEXPIRE', index, left) end
return {'rotated', nonce, r[3], r[4], left}
