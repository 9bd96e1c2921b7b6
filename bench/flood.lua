-- Logins that come at a rate, whatever becomes of them: wrk -s bench/flood.lua URL -- USERS PASSWORD MS
-- Each connection waits so many milliseconds between two on average, by chance, or all would come at once.
local bodies, turn, pause = {}, 0, 0

function init(args)
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    pause = tonumber(args[3])
    for i = 1, tonumber(args[1]) do
        local body = string.format('{"username":"bench%d","password":"%s"}', i - 1, args[2])
        bodies[i] = wrk.format(nil, nil, nil, body)
    end
end

function delay()
    return math.random(0, 2 * pause)
end

function request()
    turn = turn % #bodies + 1
    return bodies[turn]
end
