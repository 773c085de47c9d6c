--[[
  More places may be given: it is on record elsewhere that they may have been.

    KEYS[1] state (HASH)
    ARGV[1] round   ARGV[2] first place that may not be given

  Returns 1, or 0 when Redis has another round.
]]
if redis.call('HGET', KEYS[1], 'round') ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > tonumber(redis.call('HGET', KEYS[1], 'ceiling')) then
  redis.call('HSET', KEYS[1], 'ceiling', ARGV[2])
end
return 1
