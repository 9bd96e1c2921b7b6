-- One use of a refresh token.  The first use rotates it; within the grace further uses get the
-- nonce of the first, from which everyone derives the same successor; after that it is theft.
-- KEYS  marks  refresh:<sid>  session:<sid>  refresh_spent:<sid>:<presented>
-- ARGV  writer family presented next nonce ttl idle grace prefix sid
-- Returns {0, 0, 'unknown'}, {the mark, 1, 'reused', uid} or
-- {0, 0, 'rotated', nonce, uid, who, milliseconds to the end, whether session_refresh_keep kept it (1)}.
-- include move_mark.lua
local r = redis.call('HMGET', KEYS[2], 'family', 'current', 'uid', 'who', 'client', 'created', 'end',
  'version', 'revoked', 'kept')
-- Only who was handed a token of this family knows the family's secret: a token made up from a
-- session id, which is public, ends nobody's session.
if not r[1] or r[1] ~= ARGV[2] then return {0, 0, 'unknown'} end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local left = r[7] - now
if left <= 0 then return {0, 0, 'unknown'} end
local nonce = ARGV[5]
if r[2] == ARGV[4] then
  -- This very question, asked once more because its answer was lost on the way.
elseif r[2] == ARGV[3] then
  redis.call('HSET', KEYS[2], 'current', ARGV[4], 'last', now)
  redis.call('PEXPIRE', KEYS[2], math.min(tonumber(ARGV[6]), left))
  if tonumber(ARGV[8]) > 0 then redis.call('SET', KEYS[4], nonce, 'PX', ARGV[8]) end
  if r[10] then
    -- Its client has the successor by now.
    redis.call('PEXPIRE', ARGV[9] .. 'refresh_spent:' .. ARGV[10] .. ':' .. r[10], ARGV[8])
    redis.call('HDEL', KEYS[2], 'kept')
  end
else
  nonce = redis.call('GET', KEYS[4])
  if not nonce then
    local mark = move_mark(KEYS[1], ARGV[1])
    redis.call('DEL', KEYS[2], KEYS[3])
    redis.call('ZREM', ARGV[9] .. 'user_sessions:' .. r[3], ARGV[10])
    return {mark, 1, 'reused', r[3]}
  end
end
redis.call('HSET', KEYS[3], 'uid', r[3], 'who', r[4], 'version', r[8], 'client', r[5], 'created', r[6],
  'last', now, 'end', r[7])
if r[9] then redis.call('HSET', KEYS[3], 'revoked', r[9]) end
redis.call('PEXPIRE', KEYS[3], math.min(tonumber(ARGV[7]), left))
-- As in session_touch: the user's index may have been dropped.
local index = ARGV[9] .. 'user_sessions:' .. r[3]
redis.call('ZADD', index, r[7], ARGV[10])
if redis.call('PTTL', index) < left then redis.call('PEXPIRE', index, left) end
return {0, 0, 'rotated', nonce, r[3], r[4], left, r[10] == ARGV[3] and 1 or 0}
