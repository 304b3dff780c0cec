local n = 0
request = function()
  n = n + 1
  return wrk.format("POST", "/jobs", {["Content-Type"] = "application/json"}, string.format('{"n":%d}', n))
end
