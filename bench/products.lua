-- Asks for products 1 to 10000 in an order that is random and always the same.
local requests = {}

function init()
  math.randomseed(1)
  for id = 1, 10000 do
    requests[id] = wrk.format("GET", "/api/products/" .. id)
  end
end

function request()
  return requests[math.random(10000)]
end
