-- A writer's mark moves on (store/mark.h): to the time, or by one where that is behind it.  The time puts a new
-- mark ahead of every one of before: a Redis that was emptied on purpose has not gone back.  A writer that has
-- not moved for eight days goes.  Returns the mark; writer '' (gatehousectl) keeps none: 0.
local function move_mark(marks, writer)
  if writer == '' then return 0 end
  local t = redis.call('TIME')
  local now = t[1] * 1000000 + t[2]
  local mark = math.max(tonumber(redis.call('HGET', marks, writer) or 0) + 1, now)
  if redis.call('HSET', marks, writer, string.format('%.0f', mark)) == 1 then
    local all = redis.call('HGETALL', marks)
    for i = 1, #all, 2 do
      if tonumber(all[i + 1]) < now - 691200000000 then redis.call('HDEL', marks, all[i]) end
    end
  end
  return mark
end
