--[[
  Names the publisher that may write a ticket's events to the log, and how far they are published.

    KEYS[1] meta (HASH)
    ARGV[1] owner token   ARGV[2] publisher, empty for none   ARGV[3] published position

  Returns 1, or 0 when the owner no longer has the ticket.
]]
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'publisher', ARGV[2], 'published', ARGV[3])
return 1
