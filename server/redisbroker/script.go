package redisbroker

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
)

// The scripts. Their first key is that of the epoch, and the first argument is the whole
// value that the caller believes it has: otherwise they do nothing and return the value
// that it has, "" for none. With a candidate for another epoch as second argument they
// first look whether the epoch is of this server.

// A script is a text and its hash.
type script struct{ text, hash string }

func newScript(text string) script {
	sum := sha1.Sum([]byte(text)) // the hash that Redis has
	return script{text, hex.EncodeToString(sum[:])}
}

const scriptEpoch = `
local at = redis.call('GET', KEYS[1])
local time = redis.call('TIME')
local us = time[1] .. string.sub('00000' .. time[2], -6)
local ms = string.sub(us, 1, -4)
if ARGV[2] ~= '' then
  local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
  if not at or string.sub(at, -#replid) ~= replid then
    at = ARGV[2] .. ' ' .. ms .. ' ' .. replid
    redis.call('SET', KEYS[1], at)
  end
end
if at ~= ARGV[1] then return {at or ''} end
`

// scriptPublish publishes messages. Arguments: the epoch; PUBLISH or SPUBLISH; the topic
// of all channels, or ”; how long the beginning of a topic is that is not the channel. Then for
// each message the topic, the count and the age that it is kept for, the life of the
// stream in seconds, negative if it need not be set again, that of the idempotency
// key, or ”, and the message. The keys are the stream and, if there is one, the idempotency
// key of each.
//
// It returns 'ok' and for each message "+OFFSET", or "=EPOCH OFFSET" of the first one
// with its key, "!ERROR" if it was not published, or "?ERROR" if nobody was told of it.
//
// The field of an entry has '*' before the retention if it is the first of its stream.
const scriptPublish = scriptEpoch + `
local epoch, verb, all, head = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local out, k = {'ok'}, 2
for a = 7, #ARGV, 6 do
  local topic, count, life, window, message = ARGV[a], ARGV[a + 1], ARGV[a + 3], ARGV[a + 4], ARGV[a + 5]
  local stream, seen, answer = KEYS[k], nil, nil
  k = k + 1
  if window ~= '' then
    seen = redis.call('GET', KEYS[k])
    k = k + 1
  end
  if seen then
    answer = '=' .. seen
  else
    local trim, body, kind = '~', message, '+'
    if count == '0' then trim, body = '=', '' end
    local field = count .. ':' .. ARGV[a + 2]
    local id = redis.pcall('XADD', stream, 'NOMKSTREAM', 'MAXLEN', trim, count, '0-*', '+' .. field, body, 't', ms)
    if not id then
      kind = '*'
      id = redis.pcall('XADD', stream, 'MAXLEN', trim, count, '0-' .. us, '*' .. field, body, 't', ms)
    end
    if type(id) == 'table' then
      answer = '!' .. (id.err or 'XADD')
    else
      local offset = string.sub(id, 3)
      answer = '+' .. offset
      if kind == '*' then
        redis.call('EXPIRE', stream, (string.gsub(life, '-', '')))
      elseif string.byte(life) ~= 45 then
        redis.call('EXPIRE', stream, life, 'GT')
      end
      if window ~= '' then redis.call('SET', KEYS[k - 1], epoch .. ' ' .. offset, 'EX', window) end
      local text = kind .. offset .. ' ' .. ms .. ' ' .. epoch .. ' ' .. message
      local told = redis.pcall(verb, topic, text)
      if type(told) == 'table' then answer = '?' .. (told.err or verb) end
      if all ~= '' then
        told = redis.pcall(verb, all, string.sub(topic, head + 1) .. '\n' .. text)
        if type(told) == 'table' then answer = '?' .. (told.err or verb) end
      end
    end
  end
  out[#out + 1] = answer
end
return out
`

// scriptTops returns 'ok', the time in milliseconds and the newest offset of each
// stream, ” where there is none.
var scriptTops = newScript("-- godwit g1 tops" + scriptEpoch + scriptNewest + `
local out = {'ok', ms}
for i = 2, #KEYS do out[i + 1] = newest(KEYS[i]) end
return out
`)

// scriptNewest is the newest offset of a stream. What was trimmed to nothing still knows it.
const scriptNewest = `
local function newest(stream)
  local entry = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if entry then return string.sub(entry[1], 3), entry end
  local info = redis.pcall('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return string.sub(info[i + 1], 3) end
  end
  return ''
end
`

// scriptHistory reads entries. Arguments: the offset they come after, or ” for the
// oldest; how many of the newest, or 0; the limit, or 0. It returns 'ok', the time, the newest
// offset or ”, and the entries, newest first if they are the newest.
//
// With a limit what the newest retention does not keep is passed over, which may be
// much: trimming is by whole nodes of a stream.
var scriptHistory = newScript("-- godwit g1 history" + scriptEpoch + scriptNewest + `
local stream, since, last, limit = KEYS[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local top, entry = newest(stream)
if not entry then return {'ok', ms, top} end
if since == '' and last > 0 then
  return {'ok', ms, top, redis.call('XREVRANGE', stream, '+', '-', 'COUNT', last)}
end
local from = '-'
if since == top then return {'ok', ms, top, {}} end
if since ~= '' and tonumber(since) < tonumber(top) then from = '(0-' .. since else since = '0' end
if limit == 0 then return {'ok', ms, top, redis.call('XRANGE', stream, from, '+')} end
local low = tonumber(top) - tonumber(string.match(entry[2][1], '(%d+):'))
if low > tonumber(since) then from = string.format('(0-%.0f', low) end
return {'ok', ms, top, redis.call('XRANGE', stream, from, '+', 'COUNT', limit)}
`)

// scriptClear forgets the entries of a stream, which still knows its newest offset.
var scriptClear = newScript("-- godwit g1 clear" + scriptEpoch + `
redis.call('XTRIM', KEYS[2], 'MAXLEN', 0)
return {'ok'}
`)

// scriptCounts returns 'ok', and for each stream the newest offset and how many entries
// are held, as the newest retention has it: those that are too old are found by halving, as
// ages ascend.
var scriptCounts = newScript("-- godwit g1 counts" + scriptEpoch + scriptNewest + `
local now = tonumber(ms)
local function age(entry) return tonumber(string.match(entry[2][1], ':(%d+)')) end
local function isHeld(entry) return entry and now - tonumber(entry[2][4]) <= age(entry) end
local out = {'ok'}
for i = 2, #KEYS do
  local top, entry = newest(KEYS[i])
  local held = 0
  if isHeld(entry) then
    local high = tonumber(top)
    local first = redis.call('XRANGE', KEYS[i], '-', '+', 'COUNT', 1)[1]
    local low = math.max(tonumber(string.sub(first[1], 3)), high - tonumber(string.match(entry[2][1], '(%d+):')) + 1)
    local bottom = high
    while low < bottom do
      local middle = math.floor((low + bottom) / 2)
      if isHeld(redis.call('XRANGE', KEYS[i], string.format('0-%.0f', middle), '+', 'COUNT', 1)[1]) then
        bottom = middle
      else
        low = middle + 1
      end
    end
    held = high - bottom + 1
  end
  out[#out + 1] = top
  out[#out + 1] = held
end
return out
`)

// publishScript is scriptPublish for a partition of the server with that replid.
func publishScript(partition, replid string) script {
	return newScript("-- godwit g1 publish " + partition + " " + replid + scriptPublish)
}

// oneScript publishes one message into a stream that is there and whose life need not be set, with
// no idempotency key: what a publisher that is alone mostly asks for, in half of what scriptPublish
// takes. It belongs to an epoch, and to the server that the epoch is of. The keys
// are those of the epoch and of the stream; arguments the count, the name of the entry's field and
// the message, and a fourth one if the server is to look whether the epoch is its own.
//
// It returns "+OFFSET", or "?ERROR" if nobody was told, or nothing if it has done nothing:
// scriptPublish finds out why.
func (p *partition) oneScript(e *epoch, verb string, inCluster bool) script {
	all := ""
	if inCluster {
		all = `
told = redis.pcall(` + luaString(verb) + `, ` + luaString(p.all) + `, channel .. '\n' .. text)
if type(told) == 'table' then answer = '?' .. (told.err or '') end`
	}
	return newScript("-- godwit g1 one " + p.name + " " + e.replid + `
if redis.call('GET', KEYS[1]) ~= ` + luaString(e.value) + ` then return end
if ARGV[4] and string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') ~= ` + luaString(e.replid) + ` then return end
local time = redis.call('TIME')
local ms = time[1] .. string.sub('00000' .. time[2], -6, -4)
local id = redis.pcall('XADD', KEYS[2], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[1], '0-*', ARGV[2], ARGV[3], 't', ms)
if type(id) ~= 'string' then return end
local answer = '+' .. string.sub(id, 3)
local text = answer .. ' ' .. ms .. ` + luaString(" "+e.name+" ") + ` .. ARGV[3]
local channel = string.sub(KEYS[2], ` + strconv.Itoa(len(e.streams)+1) + `)
local told = redis.pcall(` + luaString(verb) + `, ` + luaString(p.channelTopic("")) + ` .. channel, text)
if type(told) == 'table' then answer = '?' .. (told.err or '') end` + all + `
return answer
`)
}

// luaString is text as Lua reads it.
func luaString(text string) string {
	b := []byte{'\''}
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '\'' || c == '\\' {
			b = fmt.Appendf(b, `\%03d`, c)
		} else {
			b = append(b, c)
		}
	}
	return string(append(b, '\''))
}
