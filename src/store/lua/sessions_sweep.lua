-- One page of all the keys there are, for sessions that their user's index lacks (see sessions_end): what
-- sessions_end or sessions_rename does with those in the index is done with them.
-- KEYS  user_sessions:<uid>
-- ARGV  prefix uid cursor except who version       (who: who the user is now, '' where sessions are ended)
-- Returns {the cursor of the next page, '0' after the last; how many sessions were ended}.
local pattern = string.gsub(ARGV[1], '[%*%?%[%]\\]', '\\%0') .. '*'
local page = redis.call('SCAN', ARGV[3], 'MATCH', pattern, 'COUNT', 1000)
local ended = 0

local function rename(key)
  local version = redis.call('HGET', key, 'version')
  if version and tonumber(version) <= tonumber(ARGV[6]) then
    redis.call('HSET', key, 'who', ARGV[5], 'version', ARGV[6])
  end
end

for _, key in ipairs(page[2]) do
  local kind, sid = string.match(string.sub(key, #ARGV[1] + 1), '^([a-z]+:)(%x+)$')
  if (kind == 'session:' or kind == 'refresh:') and sid ~= ARGV[4] and
     redis.call('HGET', key, 'uid') == ARGV[2] then
    if ARGV[5] ~= '' then
      rename(key)
    elseif redis.call('DEL', ARGV[1] .. 'session:' .. sid, ARGV[1] .. 'refresh:' .. sid) > 0 then
      redis.call('ZREM', KEYS[1], sid)
      ended = ended + 1
    end
  end
end
return {page[1], ended}
