-- What all scripts of the ledger share; put in front of each of them.
--
-- Amounts come and go as decimal text. Lua has only doubles, which are exact to 2^53, so sums are
-- made by HINCRBY (64-bit integers), and comparisons by doubles only where the limit is at most
-- SAFE: then every sum that a double would round is above the limit, rounded or not.
--
-- KEYS[1] is the hash of open reservations; it names the slot. All other keys begin with the
-- same hash tag, ARGV[1], so they are in the same slot. ARGV[2] is the epoch that the caller knows.

local SAFE = 9000000000000000
local BILLION = 1000000000
-- Lines of the settlement journal that are kept, about.
local JOURNAL_MOST = 100000

local base = ARGV[1]
local open = KEYS[1]
local swept = base .. 'swept'
local leases = base .. 'leases'
local outbox = base .. 'outbox'
local index = base .. 'counters'

-- Fields of an entry: one demand of a reservation, as the client wrote it.
local COUNTER, METRIC, LIMIT, AMOUNT, MARKS, BEFORE, PPM, TRIP = 1, 2, 3, 4, 5, 6, 7, 8

local function lost_epoch()
  return redis.call('HGET', base .. 'epoch', 'id') ~= ARGV[2]
end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function counter_key(counter)
  return base .. 'c:' .. counter
end

local function minus(amount)
  if amount == '0' then return amount end
  if string.sub(amount, 1, 1) == '-' then return string.sub(amount, 2) end
  return '-' .. amount
end

-- Signed decimal text as (billions, rest), each exact.
local function halves(text)
  local sign, digits = 1, text
  if string.sub(text, 1, 1) == '-' then
    sign, digits = -1, string.sub(text, 2)
  end
  local high = tonumber(string.sub(digits, 1, -10)) or 0
  return sign * high, sign * tonumber(string.sub(digits, -9))
end

-- Whether the sum of the texts after `limit` is above it.
local function exceeds(limit, ...)
  if tonumber(limit) <= SAFE then
    local sum = 0
    for _, text in ipairs({...}) do sum = sum + tonumber(text) end
    return sum > tonumber(limit)
  end
  local high, low = halves(limit)
  high, low = -high, -low
  for _, text in ipairs({...}) do
    local h, l = halves(text)
    high, low = high + h, low + l
  end
  high = high + math.floor(low / BILLION)
  return high > 0 or (high == 0 and low % BILLION > 0)
end

-- What the bucket before still counts for, rounded up. In two parts: the product with millionths
-- would not fit in a double.
local function carried(entry)
  local seen = redis.call('HMGET', counter_key(entry[BEFORE]), 'spent', 'reserved')
  local tally = (tonumber(seen[1]) or 0) + (tonumber(seen[2]) or 0)
  local rest = math.fmod(tally, 1000000)
  return (tally - rest) / 1000000 * entry[PPM] + math.ceil(rest * entry[PPM] / 1000000)
end

-- {index from 0, spent, reserved, kind, trip} of the first entry that does not fit; a contended one
-- after all others.
local function shortage(entries)
  local found = nil
  for i, entry in ipairs(entries) do
    local limit = entry[LIMIT]
    if limit ~= '' then
      local seen = redis.call('HMGET', counter_key(entry[COUNTER]), 'spent', 'reserved', 'tripped')
      local spent, reserved = seen[1] or '0', seen[2] or '0'
      if entry[TRIP] and seen[3] then
        return {'short', i - 1, spent, reserved, 'tripped', seen[3]}
      elseif entry[BEFORE] ~= '' then
        local used = tonumber(spent) + tonumber(reserved) + carried(entry)
        if used + tonumber(entry[AMOUNT]) > tonumber(limit) then
          return {'short', i - 1, string.format('%.0f', used), '0', 'limited', ''}
        end
      elseif exceeds(limit, spent, entry[AMOUNT]) then
        return {'short', i - 1, spent, reserved, 'exhausted', ''}
      elseif not found and exceeds(limit, spent, reserved, entry[AMOUNT]) then
        found = {'short', i - 1, spent, reserved, 'contended', ''}
      end
    end
  end
  return found
end

-- Charge `amount`, and write down every mark that is reached now; they are appended to `reply`.
local function charge(entry, key, amount, reply, due_ms)
  redis.call('HINCRBY', key, 'spent', amount)
  local marks = entry[MARKS]
  if #marks == 0 then return end
  local seen = redis.call('HMGET', key, 'told', 'spent')
  local told = seen[1] or '0'
  local before = told
  for _, mark in ipairs(marks) do
    if exceeds(told, mark) and exceeds(mark, seen[2], '1') then
      told = mark
      local crossing = cjson.encode({entry[COUNTER], entry[METRIC], mark, seen[2]})
      redis.call('ZADD', outbox, due_ms, crossing)
      reply[#reply + 1] = crossing
    end
  end
  if told ~= before then redis.call('HSET', key, 'told', told) end
end

-- One line of the settlement journal. `record`: what was held; `used`: an amount for each entry.
local function journal(id, kind, record, used, estimated)
  redis.call('XADD', base .. 'settlements', 'MAXLEN', '~', JOURNAL_MOST, '*',
    'id', id, 'kind', kind, 'record', record, 'used', used, 'estimated', estimated)
end

local function unhold(entry, key)
  redis.call('HINCRBY', key, 'reserved', minus(entry[AMOUNT]))
  redis.call('HINCRBY', key, 'holds', -1)
end
