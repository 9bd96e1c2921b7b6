-- This Redis has lost what it had acknowledged, ends of sessions perhaps among it: no session in it can be
-- trusted.  One page of all the keys there are; the mark is set behind the last one, or at once where
-- nothing is to be ended.
-- KEYS  marks
-- ARGV  prefix writer mark forget cursor            (forget: '1' where sessions are to be ended)
-- Returns {the cursor of the next page, '0' after the last; how many records were ended}.
local cursor, ended = '0', 0
if ARGV[4] == '1' then
  local pattern = string.gsub(ARGV[1], '[%*%?%[%]\\]', '\\%0') .. '*'
  local page = redis.call('SCAN', ARGV[5], 'MATCH', pattern, 'COUNT', 2000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    local kind = string.match(string.sub(key, #ARGV[1] + 1), '^[a-z_]+:')
    if kind == 'session:' or kind == 'refresh:' or kind == 'user_sessions:' then
      ended = ended + redis.call('UNLINK', key)
    end
  end
end
if cursor == '0' then redis.call('HSET', KEYS[1], ARGV[2], ARGV[3]) end
return {cursor, ended}
