--[[
  A reservation in a cluster, with who has the slot at the same moment.

    KEYS[1] meta (HASH)   KEYS[2] reservations (HASH)   KEYS[3] ended reservation (STRING)
    ARGV[1] its id

  Returns {who has the slot, live json or nil, archived position or nil, who had the slot at the claim or nil,
  ended json or nil}.
]]
local meta = redis.call('HMGET', KEYS[1], 'archived', 'runId')
return { holder(), redis.call('HGET', KEYS[2], ARGV[1]), meta[1], meta[2], redis.call('GET', KEYS[3]) }
