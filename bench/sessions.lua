-- Verifications of sessions drawn by chance: wrk -s bench/sessions.lua URL -- FILE_OF_TOKENS
local requests = {}

function init(args)
    for token in io.lines(args[1]) do
        requests[#requests + 1] = wrk.format("GET", nil, {["Authorization"] = "Bearer " .. token})
    end
end

function request()
    return requests[math.random(#requests)]
end
