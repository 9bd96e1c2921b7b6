-- Ends one session, and blacklists the access token that asked for it.
-- KEYS  session:<sid>  refresh:<sid>  [blacklist:<jti>]
-- ARGV  sid prefix uid ttl        uid: whose it must be, '' for anybody's; ttl of the blacklist key
-- Returns its user's id when there was such a session, 0 when there was none (or somebody else's).
if KEYS[3] then redis.call('SET', KEYS[3], '1', 'PX', ARGV[4]) end
local uid = redis.call('HGET', KEYS[1], 'uid') or redis.call('HGET', KEYS[2], 'uid')
if not uid or (ARGV[3] ~= '' and ARGV[3] ~= uid) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', ARGV[2] .. 'user_sessions:' .. uid, ARGV[1])
return uid
