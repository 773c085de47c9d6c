--[[
  The opening: those who have a place now came before it, everybody else comes later. Once in a round.

    KEYS[1] state (HASH)
    ARGV[1] round

  Returns how many came before it, or -1 when Redis has another round.
]]
if redis.call('HGET', KEYS[1], 'round') ~= ARGV[1] then return -1 end
redis.call('HSETNX', KEYS[1], 'early', redis.call('HGET', KEYS[1], 'next'))
return tonumber(redis.call('HGET', KEYS[1], 'early'))
