-- Logins for wrk: wrk -s bench/login.lua URL -- USERS PASSWORD
-- The users bench0, bench1, ... take turns, so that no one user's list of sessions grows long.
local bodies, turn = {}, 0

function init(args)
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    for i = 1, tonumber(args[1]) do
        local body = string.format('{"username":"bench%d","password":"%s"}', i - 1, args[2])
        bodies[i] = wrk.format(nil, nil, nil, body)
    end
end

function request()
    turn = turn % #bodies + 1
    return bodies[turn]
end
