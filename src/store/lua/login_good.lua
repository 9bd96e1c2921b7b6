-- The right password was given: failures of this way in are forgiven, and the place is known.
-- KEYS  login_known:<account>  [the limits that the try was counted by]
-- ARGV  place life most        (life in milliseconds; most: how many places are remembered)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for i = 2, #KEYS do redis.call('DEL', KEYS[i]) end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
