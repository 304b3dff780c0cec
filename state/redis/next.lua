-- The next number under a key. Where there is none, the time in microseconds since 1970 is the first.
-- ARGV: how long it is kept, in milliseconds.
if redis.call('EXISTS', KEYS[1]) == 1 then
  local n = redis.call('INCR', KEYS[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return n
end
local time = redis.call('TIME')
local n = tonumber(time[1]) * 1000000 + tonumber(time[2])
redis.call('SET', KEYS[1], string.format('%.0f', n), 'PX', ARGV[1])
return n
