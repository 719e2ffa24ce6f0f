/* RFC 3339: date, time, date-time (5.6), leap seconds (5.7), duration (appendix A). */
#include "checks.h"
#include "openapi/ascii.h"

enum { LAST_MINUTE = 23 * 60 + 59, MINUTES_A_DAY = 24 * 60 };

/* Takes `digits` digits of *s; -1: they are not there. */
static int take_number(struct str *s, unsigned digits) {
    int n = 0;

    if (s->len < digits) {
        return -1;
    }
    for (unsigned i = 0; i < digits; i++) {
        if (!oa_is_digit(s->data[i])) {
            return -1;
        }
        n = n * 10 + (s->data[i] - '0');
    }
    s->data += digits;
    s->len -= digits;
    return n;
}

/* Takes one byte if it is `a` or `b`. */
static bool take_either(struct str *s, char a, char b) {
    if (s->len == 0 || (*s->data != a && *s->data != b)) {
        return false;
    }
    s->data++;
    s->len--;
    return true;
}

static bool take(struct str *s, char c) {
    return take_either(s, c, c);
}

static int days_of_month(int year, int month) {
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool take_date(struct str *s) {
    int year = take_number(s, 4);
    int month;
    int day;

    if (year < 0 || !take(s, '-')) {
        return false;
    }
    month = take_number(s, 2);
    if (month < 1 || month > 12 || !take(s, '-')) {
        return false;
    }
    day = take_number(s, 2);
    return day >= 1 && day <= days_of_month(year, month);
}

/* "Z" or "+hh:mm"; *ret_minutes is what local time is ahead of UTC. */
static bool take_offset(struct str *s, int *ret_minutes) {
    bool west = s->len > 0 && *s->data == '-';
    int hours;
    int minutes;

    *ret_minutes = 0;
    if (take_either(s, 'Z', 'z')) {
        return true;
    }
    if (!take_either(s, '+', '-')) {
        return false;
    }
    hours = take_number(s, 2);
    if (hours < 0 || hours > 23 || !take(s, ':')) {
        return false;
    }
    minutes = take_number(s, 2);
    if (minutes < 0 || minutes > 59) {
        return false;
    }
    *ret_minutes = (hours * 60 + minutes) * (west ? -1 : 1);
    return true;
}

static bool take_time(struct str *s) {
    int hour = take_number(s, 2);
    int minute;
    int second;
    int ahead;

    if (hour < 0 || hour > 23 || !take(s, ':')) {
        return false;
    }
    minute = take_number(s, 2);
    if (minute < 0 || minute > 59 || !take(s, ':')) {
        return false;
    }
    second = take_number(s, 2);
    if (second < 0 || second > 60) {
        return false;
    }
    if (take(s, '.') && take_number(s, 1) < 0) {
        return false;
    }
    while (take_number(s, 1) >= 0) {
    }
    if (!take_offset(s, &ahead)) {
        return false;
    }
    /* a leap second is the last one of a day, in UTC */
    return second < 60 ||
           (hour * 60 + minute - ahead + MINUTES_A_DAY) % MINUTES_A_DAY == LAST_MINUTE;
}

bool oa_is_date(struct str text) {
    return take_date(&text) && text.len == 0;
}

bool oa_is_time(struct str text) {
    return take_time(&text) && text.len == 0;
}

bool oa_is_date_time(struct str text) {
    return take_date(&text) && take_either(&text, 'T', 't') && take_time(&text) && text.len == 0;
}

/*
 * Takes "1H2M3S": numbers with units in the order of `units`. A unit may be left out only before
 * the first and after the last one (appendix A nests them so). Returns how many there were, -1 for
 * a number without a unit of the list, or out of order.
 */
static int take_units(struct str *s, const char *units) {
    int count = 0;

    while (s->len > 0 && oa_is_digit(*s->data)) {
        while (take_number(s, 1) >= 0) {
        }
        while (count == 0 && *units != '\0' && s->len > 0 && *s->data != *units) {
            units++;
        }
        if (*units == '\0' || !take(s, *units)) {
            return -1;
        }
        units++;
        count++;
    }
    return count;
}

bool oa_is_duration(struct str text) {
    struct str weeks;
    int dates;

    if (!take(&text, 'P')) {
        return false;
    }
    weeks = text;
    if (take_units(&weeks, "W") == 1 && weeks.len == 0) {
        return true;
    }
    dates = take_units(&text, "YMD");
    if (dates < 0) {
        return false;
    }
    if (take(&text, 'T') && take_units(&text, "HMS") <= 0) {
        return false;
    }
    return text.len == 0 && (dates > 0 || text.data[-1] != 'P');
}
