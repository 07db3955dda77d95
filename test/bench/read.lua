-- What wrk sends: a client that reads the signatures of an image, as podman does, image after image in random order.
-- LOOKASIDE_BENCH_PATHS: a file with the directory of each digest. LOOKASIDE_BENCH_COLD: the third request of an image
-- is the last of its connection; that takes one connection a thread.

local cold = os.getenv("LOOKASIDE_BENCH_COLD")
local fields = " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n"
local tail = fields .. "\r\n"
local last = cold and fields .. "Connection: close\r\n\r\n" or tail

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("seed", os.time() * 1000 + threads)
end

local heads = {}
local image, slot = 1, 0

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

function request()
  slot = slot + 1
  if slot == 3 then
    local text = heads[image] .. "3" .. last
    slot = 0
    image = image % #heads + 1
    return text
  end
  return heads[image] .. slot .. tail
end

-- One line of JSON, times in microseconds.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"microseconds":%d,"requests":%d,"not200":%d,"failed":%d,"p50":%d,"p99":%d,"p999":%d}\n',
    summary.duration, summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)
  ))
end
