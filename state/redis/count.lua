-- A counter of a fixed window, kept with the end of the window, in microseconds since 1970.
-- ARGV: the length of a window in microseconds, the most that it counts, how many are wanted.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local per, most, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ends, count, granted = now - now % per + per, 0, 0
local cell = redis.call('GET', KEYS[1])
if cell then
  local of, counted = string.match(cell, '^(%d+) (%d+)$')
  if tonumber(of) == ends then
    count = tonumber(counted)
  end
end
if wanted > 0 and count + wanted <= most then
  count, granted = count + wanted, wanted
  redis.call('SET', KEYS[1], string.format('%.0f %.0f', ends, count), 'PX', string.format('%.0f', math.floor((ends - now) / 1000) + 1))
end
return {granted, math.max(0, most - count), ends - now}
