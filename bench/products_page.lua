-- Asks for 20 products behind a key that is random, in an order that is always the same.
local requests = {}

function init()
  math.randomseed(1)
  for after = 1, 9980 do
    requests[after] = wrk.format("GET", "/api/products?after=" .. after)
  end
end

function request()
  return requests[math.random(9980)]
end
