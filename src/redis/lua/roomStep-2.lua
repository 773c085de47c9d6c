--[[
  Moves the waiting room on by a step that was decided on a version of it.

    KEYS[1] state (HASH)   KEYS[2] passes (ZSET)
    ARGV[1] that version   ARGV[2] state (JSON)   ARGV[3] passes that ended before it are forgotten, epoch milliseconds

  Returns 1, or 0 when another process was quicker.
]]
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1] + 1, 'state', ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])
return 1
