--[[
  A person's place: the one it has, else the next.

    KEYS[1] state (HASH)   KEYS[2] people (HASH)
    ARGV[1] round   ARGV[2] person   ARGV[3] how many places there may be   ARGV[4] how long people are kept, milliseconds
    ARGV[5] place that its token says it has, empty for none: taken for true where nothing else is known
    ARGV[6] place that it has lost, empty for none: it gets another

  Returns {1, place} for a new one, {0, place} for the one it has, {-1, 0} when the room is not as the sender thinks or
  may have lost places, {-2, next} when no more may be given before that is on record, {-3, 0} when it is full.
]]
local round, next, ceiling, run = unpack(redis.call('HMGET', KEYS[1], 'round', 'next', 'ceiling', 'run'))
if round ~= ARGV[1] then return { -1, 0 } end
local known = redis.call('HGET', KEYS[2], ARGV[2])
if not known and ARGV[5] ~= '' then
  known = ARGV[5]
  redis.call('HSET', KEYS[2], ARGV[2], known)
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
if known and known ~= ARGV[6] then return { 0, tonumber(known) } end
if run ~= string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') then return { -1, 0 } end
if tonumber(next) >= tonumber(ARGV[3]) then return { -3, 0 } end
if tonumber(next) >= tonumber(ceiling) then return { -2, tonumber(next) } end
redis.call('HSET', KEYS[2], ARGV[2], next)
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('HINCRBY', KEYS[1], 'next', 1)
return { 1, tonumber(next) }
