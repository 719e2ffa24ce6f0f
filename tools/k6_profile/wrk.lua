-- wrk: sends each request of a plan when it is due, and writes down what came of it (drive.mjs makes the plan
-- and reads the record).
--
-- The arrivals are one list for all connections. A connection that is free takes the next of them and waits in
-- delay() until it is due; wrk's clock for that has milliseconds, which is enough for a few thousand a second.
-- As long as one connection is free, no arrival is late because an earlier request is slow (open loop). An
-- arrival that was due while every connection had a request without an answer is dropped, as k6 does when it
-- has no VU left; one that is late only because wrk itself got no processor is sent late.
--
-- wrk makes a connection that breaks anew, and calls request() for it without a delay(). Such a call sends what
-- is due; when nothing is, GET /livez, whose answer brings the connection back to delay(). The
-- request that was lost has no answer in the record.
--
-- Arguments: DIRECTORY COUNT CONNECTIONS "open" or "closed" (nothing is dropped)
--   plan     lines "DUE_US LENGTH ID", ID being the request's X-Request-Id
--   requests the bytes of the requests, one after the other
--   record   "N SENT_US RECEIVED_US STATUS HEADER_BYTES BODY_BYTES", then headers and body, for an answer;
--            before, "N SENT_US -1 0 0 0" when it was sent; "N -1 -1 0 0 0" for an arrival that was dropped
local ffi = require("ffi")
ffi.cdef [[
    typedef struct { long tv_sec; long tv_nsec; } profile_timespec;
    int clock_gettime(int, profile_timespec *);
    int kill(int, int);
    int getpid(void);
]]
local CLOCK_MONOTONIC, SIGINT = 1, 2
-- How much too early wrk's clock of milliseconds may be.
local EARLY_US_MAX = 2000
-- When a connection that has nothing to do asks again.
local IDLE_MS = 1000
local clock = ffi.new("profile_timespec")

local count, connections, may_drop, record, bytes, probe
local due, from, length, sent_us, number_of, ready, full = {}, {}, {}, {}, {}, {}, {}
local begin_us, verified, full_since
local taken, ready_first, ready_last, full_first, sent, answered, unanswered = 0, 1, 0, 1, 0, 0, 0

local function now_us()
    ffi.C.clock_gettime(CLOCK_MONOTONIC, clock)
    local now = tonumber(clock.tv_sec) * 1e6 + tonumber(clock.tv_nsec) / 1e3
    begin_us = begin_us or now
    return now - begin_us
end

function init(arguments)
    local directory = arguments[1]
    count, connections, may_drop = tonumber(arguments[2]), tonumber(arguments[3]), arguments[4] == "open"
    local at, n = 1, 0
    for line in io.lines(directory .. "/plan") do
        local due_us, bytes_of, id = line:match("^(%d+) (%d+) (.+)$")
        n = n + 1
        due[n], from[n], length[n], number_of[id] = tonumber(due_us), at, tonumber(bytes_of), n
        at = at + length[n]
    end
    assert(n == count, "the plan has another length")
    local file = assert(io.open(directory .. "/requests", "rb"))
    bytes = file:read("*a")
    file:close()
    record = assert(io.open(directory .. "/record", "wb"))
    record:setvbuf("full", 1048576)
    probe = wrk.format("GET", "/livez")
end

-- wrk sleeps until its time is over; this ends it earlier. With a request lost, it does not.
local function stop_when_finished()
    if taken == count and ready_first > ready_last and answered == sent then
        ffi.C.kill(ffi.C.getpid(), SIGINT)
    end
end

-- Of two lists in the order of time: an arrival, and the times when every connection was busy.
local function was_due_while_all_were_busy(n)
    while full[full_first] and full[full_first].to < due[n] do
        full[full_first] = nil
        full_first = full_first + 1
    end
    return full[full_first] ~= nil and full[full_first].from <= due[n]
end

function delay()
    local now = now_us()
    -- A connection that was made anew while it waited has its arrival already: one for each is enough.
    while taken < count and ready_last - ready_first + 1 < connections do
        taken = taken + 1
        if not may_drop or not was_due_while_all_were_busy(taken) then
            ready_last = ready_last + 1
            ready[ready_last] = taken
            return math.max(0, math.floor(0.5 + (due[taken] - now) / 1000))
        end
        record:write(string.format("%d -1 -1 0 0 0\n", taken - 1))
    end
    stop_when_finished()
    local next_us = taken == count and ready[ready_first] and due[ready[ready_first]] - now or IDLE_MS * 1000
    return math.max(0, math.min(IDLE_MS, math.ceil(next_us / 1000)))
end

-- number, and whether the connection had nothing without an answer before
local function what_is_due(now)
    local waiting = ready[ready_first]
    if waiting and due[waiting] <= now + EARLY_US_MAX then
        ready[ready_first] = nil
        ready_first = ready_first + 1
        return waiting, true
    end
    if not waiting and taken < count and due[taken + 1] <= now then
        taken = taken + 1
        return taken, unanswered == 0
    end
    return nil, unanswered == 0
end

function request()
    if not verified then -- wrk tries a request before it starts
        verified = true
        return bytes:sub(from[1], from[1] + length[1] - 1)
    end
    local now = now_us()
    local n, was_free = what_is_due(now)
    if n == nil and (was_free or taken == count) then
        return "" -- nothing lost, or nothing left: the connection stays idle
    end
    if was_free then
        unanswered = unanswered + 1
        if unanswered >= connections then
            full_since = full_since or now
        end
    end
    if n == nil then
        return probe
    end
    sent, sent_us[n] = sent + 1, now
    record:write(string.format("%d %.0f -1 0 0 0\n", n - 1, now))
    return bytes:sub(from[n], from[n] + length[n] - 1)
end

function response(status, headers, body)
    local received_us = now_us()
    local lines, id = {}, nil
    for name, value in pairs(headers) do
        lines[#lines + 1] = name .. ": " .. value
        if name:lower() == "x-request-id" then
            id = value
        end
    end
    if full_since and unanswered <= connections then
        full[#full + 1] = { from = full_since, to = received_us }
        full_since = nil
    end
    unanswered = math.max(0, unanswered - 1)
    local n = number_of[id]
    if n and sent_us[n] then
        number_of[id] = nil
        answered = answered + 1
        local head = table.concat(lines, "\n")
        record:write(string.format("%d %.0f %.0f %d %d %d\n", n - 1, sent_us[n], received_us, status, #head, #body),
            head, body)
    end
    stop_when_finished()
end

function done(summary)
    local e = summary.errors
    io.write(string.format('{"seconds":%.6f,"refused":%d,"broken":%d}\n', summary.duration / 1e6, e.connect,
        e.read + e.write))
end
