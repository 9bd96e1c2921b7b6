-- Every session of a user that lives, or that a refresh token can bring back.
-- KEYS  user_sessions:<uid>
-- ARGV  prefix current                              (current: the session that asks, '' for none)
-- Returns {sid, client, created, last, milliseconds to live} for each.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local list = {}
-- As in session_touch: the index may have been dropped, and whoever asks is signed in.
if ARGV[2] ~= '' then
  local own = redis.call('HMGET', ARGV[1] .. 'session:' .. ARGV[2], 'uid', 'end')
  if own[1] and KEYS[1] == ARGV[1] .. 'user_sessions:' .. own[1] then
    redis.call('ZADD', KEYS[1], own[2], ARGV[2])
    if redis.call('PTTL', KEYS[1]) < own[2] - now then redis.call('PEXPIRE', KEYS[1], own[2] - now) end
  end
end
for _, sid in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local key = ARGV[1] .. 'session:' .. sid
  local r = redis.call('HMGET', key, 'client', 'created', 'last')
  if not r[1] then
    key = ARGV[1] .. 'refresh:' .. sid
    r = redis.call('HMGET', key, 'client', 'created', 'last')
  end
  if r[1] then
    list[#list + 1] = {sid, r[1], r[2], r[3], redis.call('PTTL', key)}
  else
    redis.call('ZREM', KEYS[1], sid)
  end
end
return list
