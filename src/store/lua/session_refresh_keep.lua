-- A refresh token that was spent, but whose client was not given the successor, goes on bringing it: until the
-- successor is used.
-- KEYS  refresh:<sid>  refresh_spent:<sid>:<presented>
-- ARGV  presented next nonce life                       (next: the successor; life in milliseconds)
-- Returns whether it does (1).
if redis.call('HGET', KEYS[1], 'current') ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
redis.call('HSET', KEYS[1], 'kept', ARGV[1])
return 1
