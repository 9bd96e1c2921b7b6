-- All limits of one try to log in (the generic cell rate algorithm of limit.lua), in one call.
-- KEYS  ratelimit:login_address:<address>
--       and where an account is at stake  login_known:<account>
--       ratelimit:login_account:<account>  ratelimit:login_failures:<account>
--       the last two with :<place> behind
-- ARGV  count period of login_address, of login_account, of login_failures; place; its life
-- An account has two ways in: one for places (an account and an address, digested) that signed in
-- before, each for itself, and one for all others together.  What strangers use up of theirs does
-- not keep the owner out.  Nothing of an account is used up where the address is refused.
-- Returns {allowed, known, besieged, address, account, failures} and the last two of the strangers'
-- way again; each limit is {allowed, remaining, milliseconds until one more, … until it is as new}.
-- besieged: the place is known, and a stranger would be refused.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local looked = {}

local function look(key, at)
  local count, period = tonumber(ARGV[at]), tonumber(ARGV[at + 1]) * 1000
  local step = period / count
  local tat = tonumber(redis.call('GET', key) or now)
  -- A clock that was set back must not close the door for as long as it was set back.
  tat = math.min(math.max(tat, now), now + period)
  local wait = tat + step - (now + period)
  looked[key] = {tat = tat, step = step, period = period}
  if wait > 0 then return {0, 0, math.ceil(wait / 1000), math.ceil((tat - now) / 1000)} end
  return {1, math.floor((now + period - tat) / step), 0, math.ceil((tat - now) / 1000)}
end

local function take(key, limit)
  local l = looked[key]
  local tat = l.tat + l.step
  redis.call('SET', key, string.format('%.0f', tat), 'PX', math.max(1, math.ceil((tat - now) / 1000)))
  limit[2] = math.floor((now + l.period - tat) / l.step)
  limit[4] = math.ceil((tat - now) / 1000)
end

local address = look(KEYS[1], 1)
local allowed = address[1]
if allowed == 1 then take(KEYS[1], address) end
if not KEYS[2] then return {allowed, 0, 0, address} end

local account, failures = look(KEYS[3], 3), look(KEYS[4], 5)
local open_account, open_failures = account, failures
local seen = redis.call('ZSCORE', KEYS[2], ARGV[7])
local known, besieged, way = 0, 0, 3
if seen and tonumber(seen) > now / 1000 - tonumber(ARGV[8]) then
  known, way = 1, 5
  if account[1] == 0 or failures[1] == 0 then besieged = 1 end
  account, failures = look(KEYS[5], 3), look(KEYS[6], 5)
end
if account[1] == 0 or failures[1] == 0 then allowed = 0 end
if allowed == 1 then
  take(KEYS[way], account)
  take(KEYS[way + 1], failures)
end
return {allowed, known, besieged, address, account, failures, open_account, open_failures}
