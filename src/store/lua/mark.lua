-- A service's mark moves on, because it is time.
-- KEYS  marks
-- ARGV  writer ended                  (ended: '1' where somebody was told that something has ended)
-- Returns {the mark, ended}.
-- include move_mark.lua
-- A full Redis refuses a script's first write where that takes memory; the few bytes behind it it takes, and a
-- mark that stood still would hide what it forgets in a crash.
redis.call('HDEL', KEYS[1], '')
return {move_mark(KEYS[1], ARGV[1]), tonumber(ARGV[2])}
