--[[
  Included in scripts that tell who has the slot of their keys: in a cluster the node that runs a script is the one
  that has them. Who it is changes when it lost its memory or was given another's (run id), when it became a master
  (replication id), and when a slot came to it (epoch): one that went away and came back is not who it was.
]]
local function holder()
  local function told(info, pattern)
    return assert(string.match(info, pattern), 'the node does not tell who it is')
  end
  return table.concat({
    told(redis.call('INFO', 'server'), 'run_id:(%w+)'),
    told(redis.call('INFO', 'replication'), 'master_replid:(%w+)'),
    told(redis.call('CLUSTER', 'INFO'), 'cluster_my_epoch:(%d+)'),
  }, '/')
end
