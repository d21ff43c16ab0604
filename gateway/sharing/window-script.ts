// The sliding minute inside Redis: the script that takes a place in several windows at once, and the one that corrects it.
//
// A window is a sorted set of the requests of the last minute by their time, and a hash of what each took. The time is
// always Redis' own, in microseconds: the clocks of the gateways differ. The hash also keeps the sums, `#requests` and
// `#tokens`, so that taking a place costs no walk. A member that begins with `+` is no request: tokens that one took
// beyond what was reserved for it, found out when it counted no more itself.

/** What both scripts begin with. Windows with nothing in them have no keys, and no key outlives its minute for long. */
const shared = `
local MINUTE = 60000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Lua would print a number that long with an exponent, and lose its end.
local function whole(number) return string.format('%.0f', number) end

local function remove(set, hash, members)
  for _, member in ipairs(members) do
    local taken = tonumber(redis.call('HGET', hash, member) or '0')
    redis.call('HDEL', hash, member)
    redis.call('ZREM', set, member)
    redis.call('HINCRBY', hash, '#tokens', whole(0 - taken))
    if string.sub(member, 1, 1) ~= '+' then redis.call('HINCRBY', hash, '#requests', -1) end
  end
end

local function forget(set, hash)
  -- In bites: the arguments of a call are limited.
  repeat
    local old = redis.call('ZRANGEBYSCORE', set, '-inf', whole(now - MINUTE), 'LIMIT', 0, 500)
    remove(set, hash, old)
  until #old < 500
  -- A clock that was set back must not close a window for longer than a minute more.
  repeat
    local wrong = redis.call('ZRANGEBYSCORE', set, whole(now + MINUTE), '+inf', 'LIMIT', 0, 500)
    remove(set, hash, wrong)
  until #wrong < 500
  -- One without the other (expired a moment apart, or thrown out for want of memory) would give wrong sums for good.
  if redis.call('EXISTS', set, hash) == 1 then redis.call('DEL', set, hash) end
end

local function add(set, hash, member, tokens)
  redis.call('ZADD', set, whole(now), member)
  redis.call('HSET', hash, member, whole(tokens))
  redis.call('HINCRBY', hash, '#tokens', whole(tokens))
  redis.call('HINCRBY', hash, '#requests', string.sub(member, 1, 1) == '+' and 0 or 1)
end

local function keep(set, hash)
  redis.call('PEXPIRE', set, 61000)
  redis.call('PEXPIRE', hash, 61000)
end
`;

/**
 * KEYS: set and hash of each window. ARGV: member, tokens, then rpm and tpm of each window (-1: no limit).
 * Answers `{1}`, or `{0, number of the window from 0, 'rpm' or 'tpm', microseconds}`: the window and limit that stand in
 * the way longest, and how long all together do; -1: for as long as the limit is what it is.
 */
export const reserveScript = `${shared}
local member, tokens = ARGV[1], tonumber(ARGV[2])

-- How long until that much has left the window, oldest first, and which of the two is the last to fit.
local function wait(set, hash, requests, used)
  local from = 0
  while true do
    local page = redis.call('ZRANGE', set, from, from + 99, 'WITHSCORES')
    if #page == 0 then return -1, requests > 0 and 'rpm' or 'tpm' end
    for at = 1, #page, 2 do
      local last = requests > 0 and 'rpm' or 'tpm'
      if string.sub(page[at], 1, 1) ~= '+' then requests = requests - 1 end
      used = used - tonumber(redis.call('HGET', hash, page[at]) or '0')
      if requests <= 0 and used <= 0 then return tonumber(page[at + 1]) + MINUTE - now, last end
    end
    from = from + 100
  end
end

local index, limit, longest = -1, '', 0
for number = 0, #KEYS / 2 - 1 do
  local set, hash = KEYS[2 * number + 1], KEYS[2 * number + 2]
  local rpm, tpm = tonumber(ARGV[2 * number + 3]), tonumber(ARGV[2 * number + 4])
  forget(set, hash)
  local sums = redis.call('HMGET', hash, '#requests', '#tokens')
  local requests = rpm < 0 and 0 or tonumber(sums[1] or '0') + 1 - rpm
  local used = (tpm < 0 or tokens == 0) and 0 or tonumber(sums[2] or '0') + tokens - tpm
  if requests > 0 or used > 0 then
    local micros, which = -1, 'rpm'
    if rpm ~= 0 then
      which = 'tpm'
      if tpm < 0 or tokens <= tpm then micros, which = wait(set, hash, requests, used) end
    end
    if longest ~= -1 and (micros == -1 or micros > longest) then index, limit, longest = number, which, micros end
  end
end
if index ~= -1 then return {0, index, limit, whole(longest)} end
for number = 0, #KEYS / 2 - 1 do
  -- Where only tokens are limited, one of unknown size is noted when its size is known: so each limit bounds its window.
  if tokens > 0 or tonumber(ARGV[2 * number + 3]) >= 0 then
    add(KEYS[2 * number + 1], KEYS[2 * number + 2], member, tokens)
    keep(KEYS[2 * number + 1], KEYS[2 * number + 2])
  end
end
return {1}
`;

/**
 * KEYS: as above. ARGV: member, tokens reserved, tokens taken, and whether it was sent at all (1 or 0).
 * Where the request counts no more, what it took beyond its reservation counts from now.
 */
export const correctScript = `${shared}
local member, reserved, taken, sent = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
for number = 0, #KEYS / 2 - 1 do
  local set, hash = KEYS[2 * number + 1], KEYS[2 * number + 2]
  forget(set, hash)
  if redis.call('ZSCORE', set, member) then
    if sent then
      local before = tonumber(redis.call('HGET', hash, member) or '0')
      redis.call('HSET', hash, member, whole(taken))
      redis.call('HINCRBY', hash, '#tokens', whole(taken - before))
    else
      remove(set, hash, {member})
    end
  elseif sent and taken > reserved then
    add(set, hash, '+' .. member, taken - reserved)
    keep(set, hash)
  end
end
return 1
`;
