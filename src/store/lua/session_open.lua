-- A login: the session record, its refresh record, and the user's index, at once.
-- KEYS  session:<sid>  refresh:<sid>  user_sessions:<uid>  user_changed:<uid>
-- ARGV  sid uid who client idle max ttl family current version most prefix   (times in milliseconds;
--       idle and ttl at most max)
-- most: how many sessions a user may have; the oldest of more are ended.
-- Returns {how many were ended, when this one began, whether the user was changed a moment ago (1)}.
-- Run again with the same arguments it leaves the same records, so a lost answer may be retried.
-- Redis writes a number out with 17 digits for each command that it is given to: texts are cheaper.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local began, last = string.format('%.0f', now), string.format('%.0f', now + ARGV[6])
redis.call('HSET', KEYS[1], 'uid', ARGV[2], 'who', ARGV[3], 'version', ARGV[10], 'client', ARGV[4],
  'created', began, 'last', began, 'end', last)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('HSET', KEYS[2], 'uid', ARGV[2], 'who', ARGV[3], 'version', ARGV[10], 'client', ARGV[4],
  'created', began, 'last', began, 'end', last, 'family', ARGV[8], 'current', ARGV[9])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', began)
redis.call('ZADD', KEYS[3], last, ARGV[1])
if redis.call('PTTL', KEYS[3]) < tonumber(ARGV[6]) then redis.call('PEXPIRE', KEYS[3], ARGV[6]) end
local ended = 0
for _, sid in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1 - tonumber(ARGV[11]))) do
  if sid ~= ARGV[1] then
    redis.call('DEL', ARGV[12] .. 'session:' .. sid, ARGV[12] .. 'refresh:' .. sid)
    redis.call('ZREM', KEYS[3], sid)
    ended = ended + 1
  end
end
return {ended, now, redis.call('EXISTS', KEYS[4])}
