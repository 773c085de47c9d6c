--[[
  How the waiting room stands, and what each process measured lately. Takes down what the asking one measured.

    KEYS[1] state (HASH)   KEYS[2] measures (HASH)   KEYS[3] inside (ZSET)
    ARGV[1] who asks, empty for nobody   ARGV[2] its measures (JSON)   ARGV[3] how long measures count, milliseconds

  Returns {run id, now in epoch milliseconds, state (field, value, ...), measures (json, ...), how many are inside}.
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
if ARGV[1] ~= '' then redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f', now) .. ' ' .. ARGV[2]) end
local measures = {}
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local at, json = string.match(all[i + 1], '^(%d+) (.*)$')
  if tonumber(at) < now - tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[2], all[i])
  else
    measures[#measures + 1] = json
  end
end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
return { run, now, redis.call('HGETALL', KEYS[1]), measures, redis.call('ZCARD', KEYS[3]) }
