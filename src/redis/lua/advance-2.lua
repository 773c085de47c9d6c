--[[
  Records how far the outbox was archived and published, trims what both passed, and sends messages that
  waited for the archive. Messages go out whoever owns the ticket: what they say is durable.

    KEYS[1] meta   KEYS[2] outbox (STREAM)
    ARGV[1] owner token   ARGV[2] archived position   ARGV[3] published position   ARGV[4] oldest id to keep
    ARGV[5..] messages (channel, text)

  Returns 1 when recorded, 0 when the owner no longer has the ticket.
]]
for i = 5, #ARGV, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'archived', ARGV[2], 'published', ARGV[3])
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[4])
return 1
