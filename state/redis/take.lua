-- A cell of the generic cell rate algorithm. Its theoretical arrival time is at + frac/of microseconds since 1970, kept as
-- three whole numbers. All numbers are whole and below 2^53, so that the doubles of Lua hold them exactly; the quotient
-- of two such numbers, rounded down, is exact too.
-- ARGV: the interval between two as the fraction p/q of microseconds, how many the bucket holds, how many are wanted.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local p, q, size, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local whole, used, forced = size * p, 0, false
local cell = redis.call('GET', KEYS[1])
if cell then
  local at, frac, of = string.match(cell, '^(%d+) (%d+) (%d+)$')
  at, frac = tonumber(at), tonumber(frac)
  if frac > 0 and of ~= ARGV[2] then
    at, frac = at + 1, 0
  end
  if at >= now then
    used = (at - now) * q + frac
  end
  if used > whole then -- the limit is lower than it was, or the clock went back
    used, forced = whole, true
  end
end
local free = math.floor((whole - used) / p)
local granted = math.max(0, math.min(free, wanted))
used = used + granted * p
if granted > 0 or forced then
  local frac = used % q
  local ahead = (used - frac) / q
  redis.call('SET', KEYS[1], string.format('%.0f %.0f %.0f', now + ahead, frac, q), 'PX', string.format('%.0f', math.floor(ahead / 1000) + 1))
end
local retry = math.max(0, math.ceil((used - (whole - p)) / q))
return {granted, free - granted, retry, math.ceil(used / q)}
