-- Ends one session, and blacklists the access token that asked for it.
-- KEYS  marks  session:<sid>  refresh:<sid>  [blacklist:<jti>]
-- ARGV  writer sid prefix uid ttl        uid: whose it must be, '' for anybody's; ttl of the blacklist key
-- Returns {the mark, 1, its user's id when there was such a session, 0 when there was none (or another's)}.
-- include move_mark.lua
-- First, so that a Redis too full to know that something was ended ends nothing.
local mark = move_mark(KEYS[1], ARGV[1])
if KEYS[4] then redis.call('SET', KEYS[4], '1', 'PX', ARGV[5]) end
local uid = redis.call('HGET', KEYS[2], 'uid') or redis.call('HGET', KEYS[3], 'uid')
if not uid or (ARGV[4] ~= '' and ARGV[4] ~= uid) then return {mark, 1, 0} end
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('ZREM', ARGV[3] .. 'user_sessions:' .. uid, ARGV[2])
return {mark, 1, uid}
