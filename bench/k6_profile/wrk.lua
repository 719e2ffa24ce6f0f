-- wrk: sends each request of a plan when it is due, and writes down what came of it (drive.mjs makes the plan
-- and reads the record).
--
-- The arrivals are one list for all connections. A connection that is free takes the next of them and waits in
-- delay() until it is due; wrk's clock for that has milliseconds, which is enough for a few thousand a second.
-- As long as one connection is free, no arrival is late because an earlier request is slow (open loop). An
-- arrival that was due while every connection was busy is dropped, as k6 does when it has no VU left.
-- A connection that breaks is made anew, one that is refused is lost for the rest of the run: wrk does not try
-- again. What it should have sent is counted as failed.
--
-- Arguments: DIRECTORY COUNT LATE_MAX_US
--   plan     lines "DUE_US LENGTH ID", ID being the request's X-Request-Id
--   requests the bytes of the requests, one after the other
--   record   "N SENT_US RECEIVED_US STATUS HEADER_BYTES BODY_BYTES", then headers and body; "N -1 -1 0 0 0" for
--            an arrival that was dropped
local ffi = require("ffi")
ffi.cdef [[
    typedef struct { long tv_sec; long tv_nsec; } profile_timespec;
    int clock_gettime(int, profile_timespec *);
    int kill(int, int);
    int getpid(void);
]]
local CLOCK_MONOTONIC, SIGINT = 1, 2
local FOREVER_MS = 1000000000
local clock = ffi.new("profile_timespec")

local count, late_max_us, record, bytes
local due, from, length, sent_us, number_of, ready = {}, {}, {}, {}, {}, {}
local begin_us, verified
local taken, ready_first, ready_last, sent, answered = 0, 1, 0, 0, 0

local function now_us()
    ffi.C.clock_gettime(CLOCK_MONOTONIC, clock)
    return tonumber(clock.tv_sec) * 1e6 + tonumber(clock.tv_nsec) / 1e3
end

function init(arguments)
    local directory = arguments[1]
    count, late_max_us = tonumber(arguments[2]), tonumber(arguments[3])
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
end

-- wrk sleeps until its time is over; this ends it earlier.
local function stop_when_finished()
    if taken == count and ready_first > ready_last and answered == sent then
        ffi.C.kill(ffi.C.getpid(), SIGINT)
    end
end

function delay()
    local now = now_us()
    begin_us = begin_us or now
    while taken < count do
        taken = taken + 1
        local late_us = now - begin_us - due[taken]
        if late_us <= late_max_us then
            ready_last = ready_last + 1
            ready[ready_last] = taken
            return math.max(0, math.floor(0.5 - late_us / 1000))
        end
        record:write(string.format("%d -1 -1 0 0 0\n", taken - 1))
    end
    stop_when_finished()
    return FOREVER_MS
end

function request()
    if not verified then -- wrk tries a request before it starts
        verified = true
        return bytes:sub(from[1], from[1] + length[1] - 1)
    end
    local n
    if ready_first <= ready_last then
        n, ready[ready_first] = ready[ready_first], nil
        ready_first = ready_first + 1
    elseif taken < count then -- a connection that broke sends again without a delay
        taken = taken + 1
        n = taken
    else
        return "" -- nothing left: the connection stays idle
    end
    sent = sent + 1
    sent_us[n] = now_us() - (begin_us or now_us())
    return bytes:sub(from[n], from[n] + length[n] - 1)
end

function response(status, headers, body)
    local received_us = now_us() - begin_us
    local lines, id = {}, nil
    for name, value in pairs(headers) do
        lines[#lines + 1] = name .. ": " .. value
        if name:lower() == "x-request-id" then
            id = value
        end
    end
    local n = number_of[id]
    answered = answered + 1
    if n then
        local head = table.concat(lines, "\n")
        record:write(string.format("%d %.0f %.0f %d %d %d\n", n - 1, sent_us[n], received_us, status, #head, #body),
            head, body)
    end
    stop_when_finished()
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format('{"broken_connections":%d,"p50_ms":%.2f,"p95_ms":%.2f}\n',
        e.connect + e.read + e.write, latency:percentile(50) / 1000, latency:percentile(95) / 1000))
end
