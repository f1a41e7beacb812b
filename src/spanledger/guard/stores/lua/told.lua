-- A crossing reached its listeners. ARGV: base, epoch, crossing.
if lost_epoch() then return {'epoch'} end
return {'done', redis.call('ZREM', outbox, ARGV[3])}
