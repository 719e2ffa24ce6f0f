/* Times as texts and as numbers of milliseconds. */
#include "clock.h"
#include "ascii.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define YEAR_10000_MS (INT64_C(2932897) * DAY_MS)

enum { DATE_BYTES = 10, SECONDS_TEXT_BYTES = 19, OFFSET_TEXT_BYTES = 6, FRACTION_DIGITS_MAX = 9 };

static struct timespec now(clockid_t clock) {
    struct timespec time;
    int rc = clock_gettime(clock, &time);
    assert(rc == 0);
    (void)rc;
    return time;
}

int64_t clock_unix_ms(void) {
    struct timespec time = now(CLOCK_REALTIME);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

uint64_t clock_monotonic_us(void) {
    struct timespec time = now(CLOCK_MONOTONIC);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

uint64_t clock_monotonic_ms(void) {
    return clock_monotonic_us() / 1000;
}

/* ---- RFC 3339 ---- */

/* `digits` decimal digits of `value`, leading zeros included. */
static void put_digits(char *out, unsigned digits, uint32_t value) {
    while (digits > 0) {
        out[--digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

static void format_date(int64_t day, char out[DATE_BYTES]) {
    time_t seconds = (time_t)(day * (DAY_MS / 1000));
    struct tm date;
    gmtime_r(&seconds, &date);
    put_digits(out, 4, (uint32_t)date.tm_year + 1900);
    out[4] = '-';
    put_digits(out + 5, 2, (uint32_t)date.tm_mon + 1);
    out[7] = '-';
    put_digits(out + 8, 2, (uint32_t)date.tm_mday);
}

bool clock_is_printable(int64_t unix_ms) {
    return unix_ms >= 0 && unix_ms < YEAR_10000_MS;
}

void clock_format_rfc3339(int64_t unix_ms, char out[CLOCK_RFC3339_BYTES]) {
    static _Thread_local int64_t cached_day = -1; /* most times are of the day of the last one */
    static _Thread_local char cached_date[DATE_BYTES];
    assert(clock_is_printable(unix_ms));
    int64_t day = unix_ms / DAY_MS;
    if (day != cached_day) {
        format_date(day, cached_date);
        cached_day = day;
    }
    uint32_t ms = (uint32_t)(unix_ms % DAY_MS);
    memcpy(out, cached_date, DATE_BYTES);
    out[10] = 'T';
    put_digits(out + 11, 2, ms / 3600000);
    out[13] = ':';
    put_digits(out + 14, 2, ms / 60000 % 60);
    out[16] = ':';
    put_digits(out + 17, 2, ms / 1000 % 60);
    out[19] = '.';
    put_digits(out + 20, 3, ms % 1000);
    out[23] = 'Z';
    out[24] = '\0';
}

static int get_digits(const char *text, unsigned digits) {
    int value = 0;
    for (unsigned i = 0; i < digits; i++) {
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* `text` has the shape of `pattern`, where 0 stands for any digit. */
static bool has_shape(const char *text, const char *pattern) {
    for (; *pattern != '\0'; text++, pattern++) {
        if (*pattern == '0' ? !ascii_is_digit(*text) : *text != *pattern) {
            return false;
        }
    }
    return true;
}

/* ".123456789" at the end: its first three digits as milliseconds, -1 when it is malformed. */
static int parse_fraction(const char *text, size_t length) {
    int ms = 0;
    if (length == 0) {
        return 0;
    }
    if (text[0] != '.' || length < 2 || length > 1 + FRACTION_DIGITS_MAX) {
        return -1;
    }
    for (size_t i = 1; i < length || i < 4; i++) {
        if (i < length && !ascii_is_digit(text[i])) {
            return -1;
        }
        if (i < 4) {
            ms = ms * 10 + (i < length ? text[i] - '0' : 0);
        }
    }
    return ms;
}

/* "Z", "z", "+hh:mm" or "-hh:mm" at the end. 0: neither; else its length. */
static size_t parse_offset(const char *text, size_t length, int64_t *ret_ms) {
    enum { MINUTE_MS = 60 * 1000 };
    const char *offset = text + length - OFFSET_TEXT_BYTES;
    *ret_ms = 0;
    if (text[length - 1] == 'Z' || text[length - 1] == 'z') {
        return 1;
    }
    if (length < SECONDS_TEXT_BYTES + OFFSET_TEXT_BYTES ||
        (!has_shape(offset, "+00:00") && !has_shape(offset, "-00:00"))) {
        return 0;
    }
    int hours = get_digits(offset + 1, 2), minutes = get_digits(offset + 4, 2);
    *ret_ms = (int64_t)(hours * 60 + minutes) * (offset[0] == '-' ? -MINUTE_MS : MINUTE_MS);
    return hours > 23 || minutes > 59 ? 0 : OFFSET_TEXT_BYTES;
}

/* Days from 1970 to the date at the beginning of `text`. False: there is no such day. */
static bool parse_date(const char *text, int64_t *ret_day) {
    static _Thread_local int64_t cached_day; /* most times are of the day of the last one */
    static _Thread_local char cached_date[DATE_BYTES] = "1970-01-01";
    if (memcmp(text, cached_date, DATE_BYTES) != 0) {
        struct tm given = { .tm_year = get_digits(text, 4) - 1900,
                            .tm_mon = get_digits(text + 5, 2) - 1,
                            .tm_mday = get_digits(text + 8, 2) };
        struct tm normal = given;
        int64_t seconds = (int64_t)timegm(&normal);
        if (normal.tm_mon != given.tm_mon || normal.tm_mday != given.tm_mday) { /* February 30 */
            return false;
        }
        cached_day = seconds * 1000 / DAY_MS;
        memcpy(cached_date, text, DATE_BYTES);
    }
    *ret_day = cached_day;
    return true;
}

enum err clock_parse_rfc3339(const char *text, size_t length, int64_t *ret_unix_ms) {
    int64_t offset_ms, day;
    if (length <= SECONDS_TEXT_BYTES ||
        (!has_shape(text, "0000-00-00T00:00:00") && !has_shape(text, "0000-00-00t00:00:00"))) {
        return ERR_INVALID;
    }
    size_t offset_length = parse_offset(text, length, &offset_ms);
    int ms = parse_fraction(text + SECONDS_TEXT_BYTES, length - SECONDS_TEXT_BYTES - offset_length);
    int hour = get_digits(text + 11, 2), minute = get_digits(text + 14, 2);
    int second = get_digits(text + 17, 2); /* 60 is the one after it */
    if (offset_length == 0 || ms < 0 || hour > 23 || minute > 59 || second > 60 ||
        !parse_date(text, &day)) {
        return ERR_INVALID;
    }
    int64_t seconds = (int64_t)(hour * 60 + minute) * 60 + second;
    int64_t unix_ms = day * DAY_MS + seconds * 1000 + ms - offset_ms;
    if (!clock_is_printable(unix_ms)) {
        return ERR_INVALID;
    }
    *ret_unix_ms = unix_ms;
    return ERR_OK;
}
