-- Asked of a new connection by whoever knows a mark: does this Redis know it too?  If not, it has lost
-- what came after its own, logouts among it, and no session in it can be trusted.
-- KEYS  mark
-- ARGV  prefix known forget         forget: '1' when sessions are to be ended
-- Returns -1 when it knows the mark, else how many records were ended.
if tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[2]) then return -1 end
local pattern = string.gsub(ARGV[1], '[%*%?%[%]\\]', '\\%0') .. '*'
local ended, cursor = 0, '0'
repeat
  if ARGV[3] ~= '1' then break end
  local page = redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', 1000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    local kind = string.match(string.sub(key, #ARGV[1] + 1), '^[a-z_]+:')
    if kind == 'session:' or kind == 'refresh:' or kind == 'user_sessions:' then
      ended = ended + redis.call('UNLINK', key)
    end
  end
until cursor == '0'
redis.call('SET', KEYS[1], ARGV[2])
return ended
