-- A login: the session record, its refresh record, and the user's index, at once.
-- KEYS  marks  session:<sid>  refresh:<sid>  user_sessions:<uid>  user_changed:<uid>
-- ARGV  writer sid uid who client idle max ttl family current version most prefix   (times in
--       milliseconds; idle and ttl at most max)
-- most: how many sessions a user may have; the oldest of more are ended.
-- Returns {the mark, how many were ended, when this one began, whether the user was changed a moment ago (1)}.
-- Run again with the same arguments it leaves the same records, so a lost answer may be retried.
-- Redis writes a number out with 17 digits for each command that it is given to: texts are cheaper.
-- include move_mark.lua
local mark = move_mark(KEYS[1], ARGV[1])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local began, last = string.format('%.0f', now), string.format('%.0f', now + ARGV[7])
redis.call('HSET', KEYS[2], 'uid', ARGV[3], 'who', ARGV[4], 'version', ARGV[11], 'client', ARGV[5],
  'created', began, 'last', began, 'end', last)
redis.call('PEXPIRE', KEYS[2], ARGV[6])
redis.call('HSET', KEYS[3], 'uid', ARGV[3], 'who', ARGV[4], 'version', ARGV[11], 'client', ARGV[5],
  'created', began, 'last', began, 'end', last, 'family', ARGV[9], 'current', ARGV[10])
redis.call('PEXPIRE', KEYS[3], ARGV[8])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', began)
redis.call('ZADD', KEYS[4], last, ARGV[2])
if redis.call('PTTL', KEYS[4]) < tonumber(ARGV[7]) then redis.call('PEXPIRE', KEYS[4], ARGV[7]) end
local ended = 0
for _, sid in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1 - tonumber(ARGV[12]))) do
  if sid ~= ARGV[2] then
    redis.call('DEL', ARGV[13] .. 'session:' .. sid, ARGV[13] .. 'refresh:' .. sid)
    redis.call('ZREM', KEYS[4], sid)
    ended = ended + 1
  end
end
return {mark, ended, now, redis.call('EXISTS', KEYS[5])}
