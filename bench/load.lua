-- What wrk sends: the requests of a file in turn, each of them once before one is repeated.
--
-- Arguments: the file, and the number of the first request. A line of the file has the method, the
-- path, the token, the caller's address and the body, with tabs between. "{n}" in the body stands
-- for the number of the request, which no other request of the bench has.

local lines, number = {}, 0

local function format(method, path, token, caller, body)
  local headers = {}
  if token ~= "" then headers["Authorization"] = "Bearer " .. token end
  if caller ~= "" then headers["X-Forwarded-For"] = caller end
  if body == "" then return wrk.format(method, path, headers) end
  headers["Content-Type"] = "application/json"
  return wrk.format(method, path, headers, body)
end

function init(args)
  for line in io.lines(args[1]) do
    local method, path, token, caller, body = line:match("^(.-)\t(.-)\t(.-)\t(.-)\t(.*)$")
    if body:find("{n}", 1, true) then
      lines[#lines + 1] = function()
        return format(method, path, token, caller, (body:gsub("{n}", number)))
      end
    else
      local made = format(method, path, token, caller, body)
      lines[#lines + 1] = function() return made end
    end
  end
  number = tonumber(args[2]) - 1
end

function request()
  number = number + 1
  return lines[number % #lines + 1]()
end

-- In one line, for load.py: requests, microseconds, failed connections, errors, median and p99.
function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    "measured %d %d %d %d %d %d\n", summary.requests, summary.duration,
    failed.connect + failed.read + failed.write + failed.timeout, failed.status,
    latency:percentile(50), latency:percentile(99)
  ))
end
