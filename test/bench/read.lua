-- What wrk sends: a client that reads the signatures of an image, as podman does, image after image in random order.
-- LOOKASIDE_BENCH_PATHS: a file with the directory of each digest. LOOKASIDE_BENCH_COLD: the third request of an image
-- is the last of its connection; that takes one connection a thread.

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, microseconds; } timeval; int gettimeofday(timeval *, void *);")

local cold = os.getenv("LOOKASIDE_BENCH_COLD")
local fields = " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n"
local tail = fields .. "\r\n"
local last = cold and fields .. "Connection: close\r\n\r\n" or tail

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
  thread:set("seed", os.time() * 1000 + #threads)
end

local heads = {}
local image, slot = 1, 0

-- Of cold clients, in microseconds: from the first request of one to that of the next, so that connecting is in it.
times = {}
local began

function init()
  math.randomseed(seed)
  for path in io.lines(os.getenv("LOOKASIDE_BENCH_PATHS")) do
    heads[#heads + 1] = "GET /signatures/" .. path .. "/signature-"
  end
  for index = #heads, 2, -1 do
    local other = math.random(index)
    heads[index], heads[other] = heads[other], heads[index]
  end
end

local function now()
  local time = ffi.new("timeval")
  ffi.C.gettimeofday(time, nil)
  return tonumber(time.seconds) * 1e6 + tonumber(time.microseconds)
end

function request()
  slot = slot + 1
  if slot == 3 then
    local text = heads[image] .. "3" .. last
    slot = 0
    image = image % #heads + 1
    return text
  end
  if cold and slot == 1 then
    local time = now()
    if began then times[#times + 1] = time - began end
    began = time
  end
  return heads[image] .. slot .. tail
end

local function percentiles_of_clients()
  local all = {}
  for _, thread in ipairs(threads) do
    for _, time in ipairs(thread:get("times")) do all[#all + 1] = time end
  end
  table.sort(all)
  return function(percent) return all[math.floor((#all - 1) * percent / 100) + 1] or 0 end
end

-- One line of JSON, times in microseconds: of requests, or of cold clients.
function done(summary, latency)
  local errors = summary.errors
  local percentile = cold and percentiles_of_clients() or function(percent) return latency:percentile(percent) end
  io.write(string.format(
    '{"microseconds":%d,"requests":%d,"not200":%d,"failed":%d,"p50":%d,"p99":%d,"p999":%d}\n',
    summary.duration, summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    percentile(50), percentile(99), percentile(99.9)
  ))
end
