-- What a new connection says of a writer's mark.
-- KEYS  marks
-- ARGV  writer
-- Returns {the mark, 0 where there is none; whether there is an append-only file (1); when every session of
-- before was ended (went_back), 0 for never; which process this is and whose data it has: another number for
-- another, 0 where it does not say; since when this one is asked; the time}, times in microseconds.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local function info(section)
  local text = redis.pcall('INFO', section)
  return type(text) == 'string' and text or ''
end
local appends = string.match(info('persistence'), 'aof_enabled:(%d)') == '1'
local run = string.match(info('server'), 'run_id:(%x+)')
local data = string.match(info('replication'), 'master_replid:(%x+)')
local digits = run and data and string.sub(redis.sha1hex(run .. data), 1, 12) or '0'
-- Under the process's own name, so that what a Redis reads from its disk says nothing of this one.
local since = 'since:' .. digits
local marks = redis.call('HMGET', KEYS[1], ARGV[1], 'swept', since)
if not marks[3] and digits ~= '0' then redis.pcall('HSET', KEYS[1], since, string.format('%.0f', now)) end
return {tonumber(marks[1] or 0), appends and 1 or 0, tonumber(marks[2] or 0), tonumber(digits, 16),
  tonumber(marks[3] or now), now}
