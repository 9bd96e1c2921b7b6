-- Verifications of sessions drawn by chance: wrk -s bench/sessions.lua URL -- FILE_OF_TOKENS
local requests = {}

function init(args)
    for token in io.lines(args[1]) do
        -- Each differs, so that few sessions cost the client no less than many.
        requests[#requests + 1] = wrk.format("GET", string.format("%s?%06d", wrk.path, #requests),
                                             {["Authorization"] = "Bearer " .. token})
    end
end

function request()
    return requests[math.random(#requests)]
end
