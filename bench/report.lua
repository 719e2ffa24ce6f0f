-- wrk: the figures of a run as one line of JSON.
function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '{"requests":%d,"requests_per_s":%.1f,"p50_ms":%.2f,"p90_ms":%.2f,"p95_ms":%.2f,"p99_ms":%.2f,"errors":%d}\n',
        summary.requests, summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000,
        latency:percentile(90) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000,
        e.connect + e.read + e.write + e.status + e.timeout))
end
