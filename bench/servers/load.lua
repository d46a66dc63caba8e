-- wrk's part: the body of a file, and the figures as a line of JSON.
function init(arguments)
   local file = io.open(arguments[1], "rb")
   wrk.body = file:read("*a")
   file:close()
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "microseconds": %d, "failed": %d, "p50": %d, "p99": %d, "p99.9": %d}\n',
      summary.requests, summary.duration, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
