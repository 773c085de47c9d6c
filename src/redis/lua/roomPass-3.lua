--[[
  The end of the pass of a place that is admitted: always the same, however often it is asked for.

    KEYS[1] state (HASH)   KEYS[2] passes (ZSET)   KEYS[3] inside (ZSET)
    ARGV[1] round   ARGV[2] place   ARGV[3] how long a pass is good, milliseconds
    ARGV[4] 1 when its time to fetch one is over

  Returns {end in epoch milliseconds, now}; the end is 0 for none, and -1 when Redis has another round.
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HGET', KEYS[1], 'round') ~= ARGV[1] then return { -1, now } end
local known = redis.call('ZSCORE', KEYS[2], ARGV[2])
if known then return { tonumber(known), now } end
if ARGV[4] == '1' then return { 0, now } end
local ends = now + ARGV[3]
redis.call('ZADD', KEYS[2], ends, ARGV[2])
redis.call('ZADD', KEYS[3], ends, ARGV[2])
redis.call('HINCRBY', KEYS[1], 'claimed', 1)
return { ends, now }
