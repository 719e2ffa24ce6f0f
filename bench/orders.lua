-- wrk: POST /orders for products 1 to 5 in turn, one piece each.
dofile("bench/report.lua")
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local requests, n = {}, 0

function init()
    for id = 1, 5 do
        requests[id] = wrk.format(nil, "/orders", nil, string.format('{"productId":%d,"quantity":1}', id))
    end
end

function request()
    n = n % 5 + 1
    return requests[n]
end
