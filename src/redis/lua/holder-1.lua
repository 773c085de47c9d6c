--[[
  Who has the slot, and whom the ticket was last claimed from.

    KEYS[1] meta (HASH)

  Returns {who has the slot, who had it at the claim or nil}.
]]
return { holder(), redis.call('HGET', KEYS[1], 'runId') }
