/*
 * The Lua scripts of cache.c, which keep old values from overwriting new ones: Redis runs each of
 * them whole, whoever else writes.
 */
#ifndef RUNTIME_CACHE_SCRIPTS_H
#define RUNTIME_CACHE_SCRIPTS_H

enum cache_script {
    SCRIPT_PUT_NEWER,
    SCRIPT_REFRESH,
    SCRIPT_PUT_UNCHANGED,
    SCRIPT_INVALIDATE,
    SCRIPT_NEXT_GENERATION,
    SCRIPTS
};

/* How much longer than the value its version is remembered: far more than any request may take. */
#define VERSION_EXTRA_S "300"
#define COUNTER_TTL_S "86400"

enum { VERSION_DIGITS_MAX = 16 }; /* Lua's numbers are exact so far */

/* A version or counter: what is not one of ours (parse_version()) counts as 0, like none at all. */
#define LUA_NUMBER                                                                                 \
    "local function number(key) local text = redis.pcall('GET', key) "                             \
    "return type(text) == 'string' and #text <= 16 and tonumber(text:match('^[1-9]%d*$')) or 0 "   \
    "end "

/* The last key is the generation's; the last argument the one that the caller knows, or empty. */
#define LUA_GENERATION                                                                             \
    "if ARGV[#ARGV] ~= '' and tonumber(ARGV[#ARGV]) ~= number(KEYS[#KEYS]) then return 0 end "

/*
 * KEYS: generation; ARGV: a number that it never was, for when there is none; returns the next one
 */
static const char NEXT_GENERATION[] =
    LUA_NUMBER "local next = number(KEYS[1]) + 1 "
               "if next == 1 then next = tonumber(ARGV[1]) end "
               "redis.call('SET', KEYS[1], string.format('%.0f', next)) return next";

/* KEYS: value key, version key, …; ARGV: value, version, seconds to live, …; returns how many */
static const char PUT_NEWER[] = LUA_NUMBER LUA_GENERATION
    "local set = 0 "
    "for i = 1, (#KEYS - 1) / 2 do "
    "local value, version, ttl = ARGV[3*i-2], ARGV[3*i-1], ARGV[3*i] "
    "if tonumber(version) >= number(KEYS[2*i]) then "
    "redis.call('SET', KEYS[2*i-1], value, 'EX', ttl) "
    "redis.call('SET', KEYS[2*i], version, 'EX', ttl + " VERSION_EXTRA_S ") "
    "set = set + 1 end end return set";

/* As PUT_NEWER, but nothing is filled, and a value of no known version goes. */
static const char REFRESH[] = LUA_NUMBER LUA_GENERATION
    "local set = 0 "
    "for i = 1, (#KEYS - 1) / 2 do "
    "local value, version, ttl = ARGV[3*i-2], ARGV[3*i-1], ARGV[3*i] "
    "local known = number(KEYS[2*i]) "
    "if tonumber(version) > known then "
    "if known == 0 then redis.call('UNLINK', KEYS[2*i-1]) "
    "else redis.call('SET', KEYS[2*i-1], value, 'EX', ttl, 'XX') end "
    "redis.call('SET', KEYS[2*i], version, 'EX', ttl + " VERSION_EXTRA_S ") "
    "set = set + 1 end end return set";

/* KEYS: value key, counter key; ARGV: value, counter as it was, seconds to live; returns 1 or 0 */
static const char PUT_UNCHANGED[] = LUA_NUMBER LUA_GENERATION
    "if number(KEYS[2]) == tonumber(ARGV[2]) then "
    "redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3]) return 1 end return 0";

/*
 * KEYS: value key, counter key, …; ARGV: a number that no counter ever was, for one that is not a
 * number; returns 1
 */
static const char INVALIDATE[] =
    "local values = {} "
    "for i = 1, #KEYS / 2 do values[i] = KEYS[2*i-1] end "
    "redis.call('UNLINK', unpack(values)) " /* first: a server without memory lets it go on */
    "for i = 1, #KEYS / 2 do "
    "local next = redis.pcall('INCR', KEYS[2*i]) "
    "if type(next) ~= 'number' or next < 1 or next >= 1e16 then "
    "redis.call('SET', KEYS[2*i], ARGV[1]) end "
    "redis.call('EXPIRE', KEYS[2*i], " COUNTER_TTL_S ") "
    "end return 1";

static const char GENERATION_KEY[] = "version:generation";

static const char *const SCRIPT_TEXTS[SCRIPTS] = {
    [SCRIPT_PUT_NEWER] = PUT_NEWER,
    [SCRIPT_REFRESH] = REFRESH,
    [SCRIPT_PUT_UNCHANGED] = PUT_UNCHANGED,
    [SCRIPT_INVALIDATE] = INVALIDATE,
    [SCRIPT_NEXT_GENERATION] = NEXT_GENERATION,
};

#endif
