-- Asks a server the questions of one benchmark and prints, at the end, one line of JSON about how it went.
--
--   wrk -s requests.lua URL -- question=known_user key=KEY seed=1 run=0123abcd profiles=1000000 look=yes
--
-- The identities of a seeded user are computed from its number, here and in population.py alike.

local questions = {}
local ask
local threads = {}

local BODY = '{"client_sdk":{"platform":"web","sdk_vendor":"mparticle","sdk_version":"2.30.0"},"context":null,'
  .. '"environment":"production","request_id":"6b2d3c1e-7d0f-4f5e-9c1b-1f2e3d4c5b6a",'
  .. '"request_timestamp_ms":1735689600000,"previous_mpid":null,"known_identities":{%s}}'

-- Spreads consecutive numbers over 31 bits. Exact in a double for all numbers that population.py allows.
local function scatter(number)
  return (number * 214013 + 2531011) % 2147483648
end

-- A seeded user comes back: any of them, each as likely as the other.
function questions.known_user(options)
  local profiles = tonumber(options.profiles)
  return function()
    local number = math.random(1, profiles)
    local spread = scatter(number)
    return string.format(
      '"customerid":"c%09d","email":"u%08x.%d@example.com","device_application_stamp":"%08x-0000-4000-8000-%012x"',
      number, spread, number, spread, number)
  end
end

-- Somebody nobody has seen comes. `run` is random, so that no two runs ask about the same people.
function questions.new_profile(options)
  local number = 0
  return function()
    number = number + 1
    local spread = math.random(0, 2147483647)
    return string.format(
      '"customerid":"n%08x%s%d","email":"n%08x.%s.%d@example.com","device_application_stamp":"%08x-%s-%012x"',
      spread, options.run, number, spread, options.run, number, spread, options.run, number)
  end
end

-- A device that many anonymous profiles share comes back, alone.
function questions.device(options)
  local identities = string.format('"device_application_stamp":"%s"', options.stamp)
  return function() return identities end
end

-- Five events about a seeded user, with two attributes, as a shop's server would send them.
local BATCH = '{"environment":"production","user_identities":{"customer_id":"c%09d","email":"u%08x.%d@example.com"},'
  .. '"user_attributes":{"tier":"gold","visits":%d},"events":[%s]}'
local EVENT = '{"event_type":"custom_event","data":{"event_name":"%s","custom_event_type":"transaction",'
  .. '"timestamp_unixtime_ms":%s,"custom_attributes":{"sku":"sku-%d","amount":"12.50","store":"north"}}}'
local NAMES = { "Viewed", "Searched", "Added", "Removed", "Bought" }

function questions.events(options)
  local profiles, at_ms = tonumber(options.profiles), options.at or "1735689600000"
  return function()
    local number = math.random(1, profiles)
    local parts = {}
    for place, name in ipairs(NAMES) do parts[place] = string.format(EVENT, name, at_ms, math.random(1, 1000)) end
    return string.format(BATCH, number, scatter(number), number, number % 100, table.concat(parts, ","))
  end
end

-- The profile of a seeded user, by its MPID, which is computed in 64 bits as population.py does.
local STEP, MASK = 0x9E3779B97F4A7C15ULL, 0x7FFFFFFFFFFFFFFFULL

function questions.profile(options)
  local profiles = tonumber(options.profiles)
  return function()
    local mpid = require("bit").band(math.random(1, profiles) * STEP, MASK)
    return tostring(mpid):gsub("ULL", "")
  end
end

-- A seeded user gives another e-mail each time. Only one is kept, so that a user who changes often does not grow.
local CHANGES = '{"client_sdk":{"platform":"web","sdk_vendor":"mparticle","sdk_version":"2.30.0"},"context":null,'
  .. '"environment":"production","request_id":"6b2d3c1e-7d0f-4f5e-9c1b-1f2e3d4c5b6a",'
  .. '"request_timestamp_ms":1735689600000,"identity_changes":[{"identity_type":"email","old_value":null,'
  .. '"new_value":"m%08x.%s.%d@example.com"}]}'

function questions.changing_user(options)
  local user = questions.profile(options)
  local number = 0
  return function()
    number = number + 1
    return user(), string.format(CHANGES, math.random(0, 2147483647), options.run, number)
  end
end

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
  local bits = text:gsub(".", function(one)
    local byte, found = one:byte(), ""
    for place = 7, 0, -1 do found = found .. math.floor(byte / 2 ^ place) % 2 end
    return found
  end)
  local coded = (bits .. "0000"):gsub("%d%d%d?%d?%d?%d?", function(six)
    if #six < 6 then return "" end
    local index = tonumber(six, 2)
    return ALPHABET:sub(index + 1, index + 1)
  end)
  return coded .. ({ "", "==", "=" })[#text % 3 + 1]
end

-- How a question is put: its first lines, and how its body or path is made into a request.
local function identify(options)
  local head = string.format(
    "POST /v1/identify HTTP/1.1\r\nHost: %s:%s\r\nx-mp-key: %s\r\nContent-Type: application/json\r\n"
      .. "Accept: text/plain;charset=UTF-8\r\nContent-Length: ",
    wrk.host, wrk.port, options.key)
  return function()
    local body = string.format(BODY, ask())
    return head .. #body .. "\r\n\r\n" .. body
  end
end

local function modify(options)
  local head = string.format(
    "/modify HTTP/1.1\r\nHost: %s:%s\r\nx-mp-key: %s\r\nContent-Type: application/json\r\n"
      .. "Accept: text/plain;charset=UTF-8\r\nContent-Length: ",
    wrk.host, wrk.port, options.key)
  return function()
    local mpid, body = ask()
    return "POST /v1/" .. mpid .. head .. #body .. "\r\n\r\n" .. body
  end
end

local function upload(options)
  local head = string.format(
    "POST /v2/events HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: Basic %s\r\nContent-Type: application/json\r\n"
      .. "Content-Length: ",
    wrk.host, wrk.port, base64(options.key .. ":" .. options.secret))
  return function()
    local body = ask()
    return head .. #body .. "\r\n\r\n" .. body
  end
end

local function read(options)
  local tail = string.format(
    "?fields=user_identities,user_attributes,device_identities HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: Bearer %s\r\n\r\n",
    wrk.host, wrk.port, options.token)
  return function() return "GET /userprofile/v1/1/10/100/" .. ask() .. tail end
end

local ways = { changing_user = modify, events = upload, profile = read }
local put

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local options = {}
  for _, argument in ipairs(args) do
    local name, value = argument:match("^(%w+)=(.*)$")
    if name then options[name] = value end
  end
  math.randomseed(tonumber(options.seed))
  ask = questions[options.question](options)
  put = (ways[options.question] or identify)(options)
  -- Looking at every answer costs wrk time, so it is done while warming up only.
  if options.look == "yes" then
    statuses = {}
    response = function(status)
      local name = tostring(status)
      statuses[name] = (statuses[name] or 0) + 1
    end
  end
end

function request()
  return put()
end

local function json_object(counts)
  local members = {}
  for name, count in pairs(counts) do
    table.insert(members, string.format('"%s":%d', name, count))
  end
  return "{" .. table.concat(members, ",") .. "}"
end

function done(summary, latency, _)
  local seen = {}
  local looked = false
  for _, thread in ipairs(threads) do
    for name, count in pairs(thread:get("statuses") or {}) do
      looked = true
      seen[name] = (seen[name] or 0) + count
    end
  end
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"duration_us":%d,"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d,'
      .. '"errors":{"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d},"statuses":%s}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency.max, errors.connect, errors.read, errors.write, errors.timeout, errors.status,
    looked and json_object(seen) or "null"))
end
