-- One counter. ARGV: base, epoch, name.
if lost_epoch() then return {'epoch'} end
local seen = redis.call('HMGET', counter_key(ARGV[3]), 'spent', 'reserved', 'told', 'tripped')
return {'done', seen[1] or '0', seen[2] or '0', seen[3] or '0', seen[4] or ''}
