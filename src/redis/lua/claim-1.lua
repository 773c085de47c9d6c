--[[
  Makes a worker the owner of a ticket: from here on only its commits succeed.

    KEYS[1] meta (HASH)
    ARGV[1] owner token, unique to this claim
    ARGV[2] now, epoch milliseconds

  Returns 1. A ticket that Redis does not know is marked due at once, so that a worker that dies before its
  first commit is followed by another.
]]
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
redis.call('HSETNX', KEYS[1], 'due', ARGV[2])
return 1
