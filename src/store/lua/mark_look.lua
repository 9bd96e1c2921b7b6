-- What a new connection says of a writer's mark.
-- KEYS  marks
-- ARGV  writer
-- Returns {the mark, 0 where there is none; whether there is an append-only file (1); the time in microseconds}.
local t = redis.call('TIME')
local info = redis.pcall('INFO', 'persistence')
local appends = type(info) == 'string' and string.match(info, 'aof_enabled:(%d)') == '1'
return {tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0), appends and 1 or 0, t[1] * 1000000 + t[2]}
