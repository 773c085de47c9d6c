--[[
  As claim-1, in a cluster: tells in the same step who has the slot and what is stored. Asked for behind it, that
  could come from another node.

    KEYS[1] meta (HASH)   KEYS[2] reservations (HASH)   KEYS[3] remote (HASH)
    ARGV[1] owner token, unique to this claim
    ARGV[2] now, epoch milliseconds

  Returns {who has the slot, meta (field, value, ...), reservations (json, ...), remote (key, json, ...)}.
]]
local found = holder()
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
redis.call('HSETNX', KEYS[1], 'due', ARGV[2])
return { found, redis.call('HGETALL', KEYS[1]), redis.call('HVALS', KEYS[2]), redis.call('HGETALL', KEYS[3]) }
