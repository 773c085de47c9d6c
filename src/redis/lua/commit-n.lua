--[[
  Compare and commit: writes everything a batch changed, or nothing. Holds no business rule.

    KEYS[1] meta   KEYS[2] reservations   KEYS[3] remote   KEYS[4] persons   KEYS[5] outbox   KEYS[6] waiting
    KEYS[7..]      persons of the match's other categories, then outcome keys, then ended-reservation keys
    ARGV[1] owner token   ARGV[2] version decided on   ARGV[3] commit id   ARGV[4] '1' replaces what is stored
    ARGV[5] number of other-category keys
    ARGV[6..] sections, each a count and that many values:
      guards (person, tally in the other categories)    meta (field, value)
      reservations set (id, json) / removed (id)        remote set (key, json) / removed (key)
      persons set (person, tally) / removed (person)    waiting set (place, id) / removed (id)
      outbox (stream id, json)    outcomes (json, ttl ms; 0: only compared)
      ended (json, ttl ms)        messages (channel, text)

  Returns {'committed'} | {'fenced'} | {'behind'} | {'repeat', n, json, ...} (n counts outcomes from 1) |
  {'guard', person, tally, ...}
]]
local at = 6
local function section()
  local n = tonumber(ARGV[at])
  local values = {}
  for i = 1, n do values[i] = ARGV[at + i] end
  at = at + n + 1
  return values
end
local function write(command, key, values)
  for from = 1, #values, 4000 do
    redis.call(command, key, unpack(values, from, math.min(from + 3999, #values)))
  end
end

local head = redis.call('HMGET', KEYS[1], 'owner', 'version', 'commit')
if head[1] ~= ARGV[1] then
  if head[1] then return { 'fenced' } end
  return { 'behind' }
end
if head[3] == ARGV[3] then return { 'committed' } end
local replaces = ARGV[4] == '1'
if not replaces and (head[2] or '0') ~= ARGV[2] then return { 'behind' } end

local others = tonumber(ARGV[5])
local guards, wrong = section(), {}
for i = 1, #guards, 2 do
  local tally = 0
  for k = 7, 6 + others do tally = tally + tonumber(redis.call('HGET', KEYS[k], guards[i]) or '0') end
  if tally ~= tonumber(guards[i + 1]) then
    wrong[#wrong + 1] = guards[i]
    wrong[#wrong + 1] = tostring(tally)
  end
end
if #wrong > 0 then return { 'guard', unpack(wrong) } end

local meta, setReservations, delReservations = section(), section(), section()
local setRemote, delRemote, setPersons, delPersons = section(), section(), section(), section()
local setWaiting, delWaiting = section(), section()
local outbox, outcomes, ended, messages = section(), section(), section(), section()

local firstOutcome, seen = 7 + others, {}
for i = 1, #outcomes / 2 do
  local known = redis.call('GET', KEYS[firstOutcome + i - 1])
  if known then
    seen[#seen + 1] = tostring(i)
    seen[#seen + 1] = known
  end
end
if #seen > 0 then return { 'repeat', unpack(seen) } end

-- First the one write that Redis could refuse (an id that is not the newest), so that nothing is half done.
for i = 1, #outbox, 2 do redis.call('XADD', KEYS[5], outbox[i], 'e', outbox[i + 1]) end
if replaces then redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[6]) end
write('HSET', KEYS[1], meta)
write('HSET', KEYS[2], setReservations)
write('HDEL', KEYS[2], delReservations)
write('HSET', KEYS[3], setRemote)
write('HDEL', KEYS[3], delRemote)
write('HSET', KEYS[4], setPersons)
write('HDEL', KEYS[4], delPersons)
write('ZADD', KEYS[6], setWaiting)
write('ZREM', KEYS[6], delWaiting)
local firstEnded = firstOutcome + #outcomes / 2
for i = 1, #outcomes, 2 do
  if outcomes[i + 1] ~= '0' then
    redis.call('SET', KEYS[firstOutcome + (i - 1) / 2], outcomes[i], 'PX', outcomes[i + 1])
  end
end
for i = 1, #ended, 2 do redis.call('SET', KEYS[firstEnded + (i - 1) / 2], ended[i], 'PX', ended[i + 1]) end
for i = 1, #messages, 2 do redis.call('PUBLISH', messages[i], messages[i + 1]) end
return { 'committed' }
