--[[
  Puts a round into Redis: a new one, or one that Redis has lost or may have lost places of. Only where nobody else did.

    KEYS[1] state (HASH)   KEYS[2] passes (ZSET)   KEYS[3] inside (ZSET)
    ARGV[1] version that it was decided on, empty for none
    ARGV[2] round   ARGV[3] first place that nobody was given   ARGV[4] how many came before the opening, empty before it
    ARGV[5] state (JSON)   ARGV[6] 1 to keep the passes

  Returns 1, or 0 when the room stands differently by now.
]]
local version = redis.call('HGET', KEYS[1], 'version') or ''
if version ~= ARGV[1] then return 0 end
if ARGV[6] ~= '1' then
  redis.call('DEL', KEYS[2], KEYS[3])
  redis.call('HDEL', KEYS[1], 'claimed')
end
redis.call('HDEL', KEYS[1], 'early')
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'early', ARGV[4]) end
redis.call(
  'HSET', KEYS[1], 'version', (tonumber(version) or 0) + 1, 'round', ARGV[2], 'next', ARGV[3], 'ceiling', ARGV[3],
  'run', string.match(redis.call('INFO', 'server'), 'run_id:(%w+)'), 'state', ARGV[5]
)
return 1
