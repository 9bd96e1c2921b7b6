-- This Redis has lost what it had acknowledged, ends of sessions perhaps among it: no session in it can be
-- trusted but those that began since.  One page of all the keys there are; behind the last one, or at once
-- where nothing is to be ended, the mark is set.
-- KEYS  marks
-- ARGV  prefix writer mark forget since cursor      (forget: '1' where sessions are to be ended; since: those
--                                                   that began then or later are kept, in microseconds)
-- Returns {the cursor of the next page, '0' after the last; how many records were ended}.
local function begun_since(began)
  local t = redis.call('TIME')
  return began and began * 1000 >= tonumber(ARGV[5]) and began * 1000 <= t[1] * 1000000 + t[2]
end

local cursor, ended = '0', 0
if ARGV[4] == '1' then
  local pattern = string.gsub(ARGV[1], '[%*%?%[%]\\]', '\\%0') .. '*'
  local page = redis.call('SCAN', ARGV[6], 'MATCH', pattern, 'COUNT', 2000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    local kind, sid = string.match(string.sub(key, #ARGV[1] + 1), '^([a-z]+:)(.*)$')
    if kind == 'session:' or kind == 'refresh:' then
      local r = redis.pcall('HMGET', key, 'created', 'uid')
      if not r.err and not begun_since(tonumber(r[1] or nil)) then
        ended = ended + redis.call('UNLINK', key)
        if r[2] then redis.call('ZREM', ARGV[1] .. 'user_sessions:' .. r[2], sid) end
      end
    end
  end
end
if cursor == '0' then
  local mark = math.max(tonumber(redis.call('HGET', KEYS[1], ARGV[2]) or 0), tonumber(ARGV[3]))
  local words = {'HSET', KEYS[1], ARGV[2], string.format('%.0f', mark)}
  if ARGV[4] == '1' then
    words[5], words[6] = 'swept', ARGV[5]
    redis.call(unpack(words))
  else
    redis.pcall(unpack(words))
  end
end
return {cursor, ended}
