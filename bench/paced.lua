-- Requests that come at a rate, by chance and not all at once: wrk -s paced.lua URL -- MS
-- Each connection waits so many milliseconds between two, on average.
local pause = 0

function init(args)
    pause = tonumber(args[1])
end

function delay()
    return math.random(0, 2 * pause)
end
