/* text_time.c - moments as text: RFC 3339 and the three HTTP dates.
 *
 * 1. The calendar is the Gregorian one, carried backwards as ISO 8601 does;
 *    no time zone data and no libc calendar is asked.
 * 2. A leap second (":60") counts as the first one of the next minute, as Unix
 *    time knows none.
 * 3. A scan that has failed stays failed, so a parser is a list of steps and
 *    one question at its end.
 *
 * Any thread.
 */
#include "callbackd/text.h"

#include <string.h>

#define MS_PER_DAY INT64_C(86400000)
#define LAST_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char *const day_names[] = { "Monday", "Tuesday", "Wednesday",
	"Thursday", "Friday", "Saturday", "Sunday" };

/* A moment in pieces, as written. */
struct pieces {
	int year;
	int month; /* 1 .. 12 */
	int day;   /* 1 .. 31 */
	int hour;
	int minute;
	int second;         /* 60 only in a leap second */
	int ms;             /* 0 .. 999 */
	int offset_minutes; /* east of UTC */
};

/* ---- the calendar ---- */

/* Days from 1970-01-01. Years are counted from March, so that the leap day is
 * the last of its year and months have a regular rhythm of 153 days in 5. */
static int64_t
days_from_civil(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t march_month = (month + 9) % 12;
	int64_t day_of_year = (153 * march_month + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 -
	    year_of_era / 100 + day_of_year - 719468;
}

/* The way back, for days >= 0. */
static void
civil_from_days(int64_t days, struct pieces *out)
{
	int64_t shifted = days + 719468;
	int64_t era = shifted / 146097;
	int64_t day_of_era = shifted % 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 +
				  day_of_era / 36524 - day_of_era / 146096) /
	    365;
	int64_t day_of_year = day_of_era -
	    (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t march_month = (5 * day_of_year + 2) / 153;

	out->day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
	out->month = (int)(march_month < 10 ? march_month + 3
					    : march_month - 9);
	out->year = (int)(year_of_era + era * 400 + (out->month <= 2));
}

static int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Unix time of the pieces; false when there is no such moment. */
static bool
moment(const struct pieces *at, int64_t *out_ms)
{
	int64_t minutes;

	if (at->month < 1 || at->month > 12 || at->day < 1 ||
	    at->day > days_in_month(at->year, at->month))
		return false;
	if (at->hour > 23 || at->minute > 59 || at->second > 60)
		return false;
	minutes = days_from_civil(at->year, at->month, at->day) * 1440 +
	    at->hour * 60 + at->minute - at->offset_minutes;
	/* Leap seconds end a UTC day, whatever the local time there. */
	if (at->second == 60 && (minutes + 1) % 1440 != 0)
		return false;
	*out_ms = (minutes * 60 + at->second) * 1000 + at->ms;
	return true;
}

/* ---- writing ---- */

/* 0 .. 99, as two digits. */
static void
put_two(char *out, int value)
{
	out[0] = (char)('0' + value / 10);
	out[1] = (char)('0' + value % 10);
}

void
text_time(int64_t at_ms, char out[TEXT_TIME_SIZE])
{
	struct pieces at = { 0 };
	int ms_of_day;

	if (at_ms < 0)
		at_ms = 0;
	if (at_ms > LAST_MS)
		at_ms = LAST_MS;
	civil_from_days(at_ms / MS_PER_DAY, &at);
	ms_of_day = (int)(at_ms % MS_PER_DAY);
	memcpy(out, "0000-00-00T00:00:00.000Z", TEXT_TIME_SIZE);
	put_two(out, at.year / 100);
	put_two(out + 2, at.year % 100);
	put_two(out + 5, at.month);
	put_two(out + 8, at.day);
	put_two(out + 11, ms_of_day / 3600000);
	put_two(out + 14, ms_of_day / 60000 % 60);
	put_two(out + 17, ms_of_day / 1000 % 60);
	out[20] = (char)('0' + ms_of_day / 100 % 10);
	put_two(out + 21, ms_of_day % 100);
}

/* ---- scanning ---- */

struct scan {
	const char *at;
	bool failed;
};

/* Exactly that many digits. */
static int
take_number(struct scan *scan, int digits)
{
	int value = 0;

	for (; digits > 0 && !scan->failed; digits--) {
		char c = *scan->at;

		if (c < '0' || c > '9') {
			scan->failed = true;
			return 0;
		}
		value = value * 10 + (c - '0');
		scan->at++;
	}
	return value;
}

static void
take_text(struct scan *scan, const char *text)
{
	size_t len = strlen(text);

	if (scan->failed || strncmp(scan->at, text, len) != 0)
		scan->failed = true;
	else
		scan->at += len;
}

/* One byte out of set; gives it back, or NUL. */
static char
take_one_of(struct scan *scan, const char *set)
{
	if (scan->failed || *scan->at == '\0' ||
	    strchr(set, *scan->at) == NULL) {
		scan->failed = true;
		return '\0';
	}
	return *scan->at++;
}

static void
take_clock(struct scan *scan, struct pieces *out)
{
	out->hour = take_number(scan, 2);
	take_text(scan, ":");
	out->minute = take_number(scan, 2);
	take_text(scan, ":");
	out->second = take_number(scan, 2);
}

static bool
scanned(const struct scan *scan, const struct pieces *at, int64_t *out_ms)
{
	return !scan->failed && *scan->at == '\0' && moment(at, out_ms);
}

/* ---- RFC 3339 ---- */

/* ".123456" as milliseconds, cut; 0 without a dot. */
static int
take_fraction_ms(struct scan *scan)
{
	int ms = 0;
	int worth = 100;

	if (scan->failed || *scan->at != '.')
		return 0;
	scan->at++;
	ms = take_number(scan, 1) * worth;
	while (!scan->failed && *scan->at >= '0' && *scan->at <= '9') {
		worth /= 10;
		ms += take_number(scan, 1) * worth;
	}
	return ms;
}

/* "Z", "+01:00", "-08:30". */
static int
take_offset_minutes(struct scan *scan)
{
	char sign = take_one_of(scan, "Zz+-");
	int hours;
	int minutes;

	if (sign != '+' && sign != '-')
		return 0;
	hours = take_number(scan, 2);
	take_text(scan, ":");
	minutes = take_number(scan, 2);
	if (hours > 23 || minutes > 59)
		scan->failed = true;
	return (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
}

bool
text_time_parse(const char *text, int64_t *out_ms)
{
	struct scan scan = { text, text == NULL };
	struct pieces at = { 0 };

	at.year = take_number(&scan, 4);
	take_text(&scan, "-");
	at.month = take_number(&scan, 2);
	take_text(&scan, "-");
	at.day = take_number(&scan, 2);
	take_one_of(&scan, "Tt");
	take_clock(&scan, &at);
	at.ms = take_fraction_ms(&scan);
	at.offset_minutes = take_offset_minutes(&scan);
	return scanned(&scan, &at, out_ms);
}

/* ---- HTTP dates (RFC 9110, 5.6.7) ---- */

/* Any day's name, whole or its first three letters. That it is the right one
 * for the date is not asked: a wrong one does not change the moment. */
static void
take_day_name(struct scan *scan, bool whole)
{
	for (size_t i = 0; i < 7 && !scan->failed; i++) {
		size_t len = whole ? strlen(day_names[i]) : 3;

		if (strncmp(scan->at, day_names[i], len) == 0) {
			scan->at += len;
			return;
		}
	}
	scan->failed = true;
}

static int
take_month_name(struct scan *scan)
{
	for (int i = 0; i < 12 && !scan->failed; i++) {
		if (strncmp(scan->at, month_names + 3 * i, 3) == 0) {
			scan->at += 3;
			return i + 1;
		}
	}
	scan->failed = true;
	return 0;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool
imf_fixdate(const char *text, int64_t *out_ms)
{
	struct scan scan = { text, false };
	struct pieces at = { 0 };

	take_day_name(&scan, false);
	take_text(&scan, ", ");
	at.day = take_number(&scan, 2);
	take_text(&scan, " ");
	at.month = take_month_name(&scan);
	take_text(&scan, " ");
	at.year = take_number(&scan, 4);
	take_text(&scan, " ");
	take_clock(&scan, &at);
	take_text(&scan, " GMT");
	return scanned(&scan, &at, out_ms);
}

/* Sunday, 06-Nov-94 08:49:37 GMT. The RFC wants two digits read against the
 * present year; we have no clock, and take POSIX' fixed window 1969 .. 2068. */
static bool
rfc850_date(const char *text, int64_t *out_ms)
{
	struct scan scan = { text, false };
	struct pieces at = { 0 };
	int year;

	take_day_name(&scan, true);
	take_text(&scan, ", ");
	at.day = take_number(&scan, 2);
	take_text(&scan, "-");
	at.month = take_month_name(&scan);
	take_text(&scan, "-");
	year = take_number(&scan, 2);
	at.year = year < 69 ? 2000 + year : 1900 + year;
	take_text(&scan, " ");
	take_clock(&scan, &at);
	take_text(&scan, " GMT");
	return scanned(&scan, &at, out_ms);
}

/* Sun Nov  6 08:49:37 1994 */
static bool
asctime_date(const char *text, int64_t *out_ms)
{
	struct scan scan = { text, false };
	struct pieces at = { 0 };

	take_day_name(&scan, false);
	take_text(&scan, " ");
	at.month = take_month_name(&scan);
	take_text(&scan, " ");
	if (!scan.failed && *scan.at == ' ') {
		scan.at++;
		at.day = take_number(&scan, 1);
	} else {
		at.day = take_number(&scan, 2);
	}
	take_text(&scan, " ");
	take_clock(&scan, &at);
	take_text(&scan, " ");
	at.year = take_number(&scan, 4);
	return scanned(&scan, &at, out_ms);
}

bool
text_http_date(const char *text, int64_t *out_ms)
{
	return text != NULL &&
	    (imf_fixdate(text, out_ms) || rfc850_date(text, out_ms) ||
		asctime_date(text, out_ms));
}
