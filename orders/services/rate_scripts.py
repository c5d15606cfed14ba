"""The rate budget's scripts: each looks, decides and writes as one step, so that workers cannot pass each other.

Times are milliseconds of the Redis server, which is one clock for all workers; a first argument other than
0 replaces it. A bucket is a hash: t tokens, a when they were counted, r refill a second, b most, p paused until.
A window is a hash of slot number -> requests; a slot counts until all of it is older than the window.
"""

from __future__ import annotations

_NOW = """
local now = tonumber(ARGV[1])
if now == 0 then local t = redis.call('TIME'); now = t[1] * 1000 + math.floor(t[2] / 1000) end
local function bucket(key, rate, burst)
  local h = redis.call('HMGET', key, 't', 'a', 'r', 'b', 'p')
  rate, burst = tonumber(h[3]) or rate, tonumber(h[4]) or burst
  local tokens, at = tonumber(h[1]) or burst, tonumber(h[2]) or now
  if now > at then tokens = math.min(burst, tokens + (now - at) * rate / 1000) end
  return tokens, rate, burst, tonumber(h[5]) or 0
end
local function keep(key, tokens)
  redis.call('HSET', key, 't', string.format('%.4f', tokens), 'a', string.format('%.0f', now))
  redis.call('PEXPIRE', key, 86400000)
end
"""

# KEYS: bucket, windows... ARGV: now, cost, rate, burst, then for each window: most, window ms, slot ms.
# Returns milliseconds to wait, 0 when it was taken, -1 when the bucket can never hold so many.
TAKE = (
    _NOW
    + """
local cost = tonumber(ARGV[2])
local tokens, rate, burst, paused = bucket(KEYS[1], tonumber(ARGV[3]), tonumber(ARGV[4]))
if cost > burst then return -1 end
local wait = math.max(0, paused - now)
if tokens < cost then wait = math.max(wait, math.ceil((cost - tokens) * 1000 / rate)) end
for n = 2, #KEYS do
  local most, span, slot = tonumber(ARGV[3 * n - 1]), tonumber(ARGV[3 * n]), tonumber(ARGV[3 * n + 1])
  local oldest, newest = math.floor((now - span) / slot), math.floor(now / slot)
  local flat, seen, sum = redis.call('HGETALL', KEYS[n]), {}, 0
  for i = 1, #flat, 2 do
    local number, count = tonumber(flat[i]), tonumber(flat[i + 1])
    if number < oldest or number > newest then
      redis.call('HDEL', KEYS[n], flat[i])
    else
      seen[#seen + 1] = {number, count}
      sum = sum + count
    end
  end
  if sum + 1 > most then
    table.sort(seen, function(x, y) return x[1] < y[1] end)
    for _, each in ipairs(seen) do
      sum = sum - each[2]
      if sum + 1 <= most then
        wait = math.max(wait, (each[1] + 1) * slot + span - now)
        break
      end
    end
  end
end
if wait > 0 then return wait end
keep(KEYS[1], tokens - cost)
for n = 2, #KEYS do
  local span, slot = tonumber(ARGV[3 * n]), tonumber(ARGV[3 * n + 1])
  redis.call('HINCRBY', KEYS[n], string.format('%.0f', math.floor(now / slot)), 1)
  redis.call('PEXPIRE', KEYS[n], span + 2 * slot)
end
return 0
"""
)

# KEYS: bucket. ARGV: now, rate, burst, tier known (0 or 1), tokens that the venue counts or "", pause ms.
LEARN = (
    _NOW
    + """
local rate, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
if ARGV[4] == '1' then redis.call('HSET', KEYS[1], 'r', rate, 'b', burst) end
local tokens = bucket(KEYS[1], rate, burst)
local told, pause = tonumber(ARGV[5]), tonumber(ARGV[6])
if told and told < tokens then tokens = told end
if pause > 0 then
  tokens = math.min(tokens, 0)
  local paused = tonumber(redis.call('HGET', KEYS[1], 'p')) or 0
  redis.call('HSET', KEYS[1], 'p', string.format('%.0f', math.max(paused, now + pause)))
end
keep(KEYS[1], tokens)
return 0
"""
)

# KEYS: bucket. ARGV: now, rate, burst, cost, least that may be left ("" for no floor).
OWE = (
    _NOW
    + """
local tokens = bucket(KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3])) - tonumber(ARGV[4])
local floor = tonumber(ARGV[5])
if floor and tokens < floor then tokens = floor end
keep(KEYS[1], tokens)
return 0
"""
)
