--[[
  Takes views and searches, all of them or none, while not too many wait to be written into the lake.

    KEYS[1] views (STREAM)
    ARGV[1] entries that may wait   ARGV[2] bytes that may wait   ARGV[3..] events (JSON)

  Returns 1 when they were taken, 0 when there is no place for them.
]]
if redis.call('XLEN', KEYS[1]) + #ARGV - 2 > tonumber(ARGV[1]) then return 0 end
local bytes = redis.call('MEMORY', 'USAGE', KEYS[1]) or 0
for i = 3, #ARGV do bytes = bytes + #ARGV[i] end
if bytes > tonumber(ARGV[2]) then return 0 end
for i = 3, #ARGV do redis.call('XADD', KEYS[1], '*', 'event', ARGV[i]) end
return 1
