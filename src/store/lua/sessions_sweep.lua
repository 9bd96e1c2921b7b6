-- One page of all the keys there are, for sessions that their user's index lacks (see sessions_end): what
-- sessions_end or sessions_rename does with those in the index is done with them.
-- KEYS  marks  user_sessions:<uid>
-- ARGV  writer prefix uid cursor except who version (who: who the user is now, '' where sessions are ended)
-- Returns {the mark, 1, the cursor of the next page, '0' after the last, how many sessions were ended}.
-- include move_mark.lua
local mark = move_mark(KEYS[1], ARGV[1])
local pattern = string.gsub(ARGV[2], '[%*%?%[%]\\]', '\\%0') .. '*'
local page = redis.call('SCAN', ARGV[4], 'MATCH', pattern, 'COUNT', 1000)
local ended = 0

local function rename(key)
  local version = redis.call('HGET', key, 'version')
  if version and tonumber(version) <= tonumber(ARGV[7]) then
    redis.call('HSET', key, 'who', ARGV[6], 'version', ARGV[7])
  end
end

for _, key in ipairs(page[2]) do
  local kind, sid = string.match(string.sub(key, #ARGV[2] + 1), '^([a-z]+:)(%x+)$')
  if (kind == 'session:' or kind == 'refresh:') and sid ~= ARGV[5] and
     redis.pcall('HGET', key, 'uid') == ARGV[3] then
    if ARGV[6] ~= '' then
      rename(key)
    elseif redis.call('DEL', ARGV[2] .. 'session:' .. sid, ARGV[2] .. 'refresh:' .. sid) > 0 then
      redis.call('ZREM', KEYS[2], sid)
      ended = ended + 1
    end
  end
end
return {mark, 1, page[1], ended}
