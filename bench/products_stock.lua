-- Writes the stock of products 1 to 10000 in an order that is random and always the same.
local requests = {}

function init()
  math.randomseed(1)
  local headers = { ["Content-Type"] = "application/json" }
  for id = 1, 10000 do
    requests[id] = wrk.format("PATCH", "/api/products/" .. id, headers, '{"stock":' .. math.random(200) .. "}")
  end
end

function request()
  return requests[math.random(10000)]
end
