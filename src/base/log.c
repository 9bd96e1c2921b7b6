#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log_send.h"
#include "base/metrics.h"

#define SELDOM_MS 10000

/* A line is written with one write(2).  ENDING is what a value cut short, and the line, need to be
 * closed properly; values alone are cut at VALUE_MAX, so that one cannot push out the others, and names
 * at NAME_LONGEST. */
enum { LINE_MAX_SIZE = 8192, ENDING = 16, VALUE_MAX = 2048, NAME_LONGEST = 60 };

struct line {
    char data[LINE_MAX_SIZE];
    size_t len;
};

static enum log_target target = LOG_TARGET_STDERR;
static enum log_format format = LOG_FORMAT_LOGFMT;
static enum log_level threshold = LOG_LEVEL_INFO;
static const char *who = "";
static const char *context_request_id;
static const char *context_address;

/* How often one message was written in its period.  A message is a constant: its address tells it from
 * others. */
struct repeat {
    const char *message; /* NULL: free */
    int64_t ends, written, left_out;
};
static struct repeat repeats[64];
static int64_t repeat_count, repeat_period; /* 0: all are written */
static size_t silent;                       /* repeats with something left out */

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

void log_open(enum log_target new_target, enum log_format new_format, enum log_level level) {
    target = new_target;
    format = new_format;
    threshold = level;
    log_send_to(target, NULL);
}

void log_limit(int64_t count, int64_t period_ms) {
    repeat_count = count;
    repeat_period = period_ms;
}

void log_identity(const char *identity) {
    who = identity;
    memset(repeats, 0, sizeof repeats);
    silent = 0;
}

void log_context(const char *request_id, const char *address) {
    context_request_id = request_id;
    context_address = address;
}

const char *log_text(const char *text) {
    return text ? text : "";
}

const char *log_errno_text(int error) {
    static char text[128];
    snprintf(text, sizeof text, "%s (%d)", strerror(error), error);
    return text;
}

static bool add(struct line *line, const char *bytes, size_t len) {
    if (line->len + len > sizeof line->data - ENDING)
        return false;
    memcpy(line->data + line->len, bytes, len);
    line->len += len;
    return true;
}

/* Writes into the ENDING bytes that add leaves free; all callers together need fewer. */
static void end_with(struct line *line, const char *text) {
    size_t len = strlen(text);
    if (line->len + len > sizeof line->data)
        abort(); /* not MUST, which would come back here */
    memcpy(line->data + line->len, text, len);
    line->len += len;
}

static uint32_t code_point(const char *text, size_t size) {
    static const uint8_t first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = (uint8_t)text[0] & first_mask[size];
    for (size_t i = 1; i < size; i++)
        point = point << 6 | ((uint8_t)text[i] & 0x3f);
    return point;
}

/* Controls, what breaks a line, and what makes a terminal show another order than was written. */
static bool printable(uint32_t point) {
    if (point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0xfeff)
        return false;
    return !((point >= 0x200e && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
             (point >= 0x2066 && point <= 0x2069));
}

static char short_escape(char c) {
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return '\0';
    }
}

/* Writes the next unit of text to out (at least 16 bytes); returns what it took, sets what it gave.
 * JSON has no escape for a byte: an invalid one is shown as the code point of its number. */
static size_t escape(const char *text, size_t len, char *out, size_t *out_len) {
    size_t size = utf8_sequence(text, len);
    uint32_t point = size ? code_point(text, size) : (uint8_t)text[0];
    char letter = short_escape(text[0]);
    if (letter) {
        *out_len = (size_t)snprintf(out, 16, "\\%c", letter);
    } else if (size && printable(point)) {
        memcpy(out, text, *out_len = size);
    } else if (format == LOG_FORMAT_JSON) {
        *out_len = (size_t)snprintf(out, 16, "\\u%04x", (unsigned)(point & 0xffff));
    } else {
        *out_len = 0;
        for (size_t i = 0; i < (size ? size : 1); i++)
            *out_len +=
                (size_t)snprintf(out + *out_len, 16 - *out_len, "\\x%02x", (uint8_t)text[i]);
    }
    return size ? size : 1;
}

static void add_quoted(struct line *line, const char *text) {
    size_t limit = line->len + VALUE_MAX;
    size_t len = strlen(text);
    while (len) {
        char unit[16];
        size_t unit_len;
        size_t taken = escape(text, len, unit, &unit_len);
        if (line->len + unit_len > limit || !add(line, unit, unit_len)) {
            end_with(line, "...");
            break;
        }
        text += taken;
        len -= taken;
    }
    end_with(line, "\"");
}

/* logfmt leaves simple values without quotes. */
static bool is_bare(const char *text) {
    size_t len = strlen(text);
    if (!len || len > 128)
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= 0x20 || text[i] >= 0x7f || strchr("\"=\\", text[i]))
            return false;
    return true;
}

/* What stands before a value; false when the line is too full for another field. */
static bool add_name(struct line *line, const char *name, const char *opening) {
    bool json = format == LOG_FORMAT_JSON;
    const char *parts[] = {line->len > 0 ? (json ? "," : " ") : (json ? "{" : ""),
                           json ? "\"" : "", name, json ? "\":" : "=", opening};
    size_t before = line->len;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!add(line, parts[i], strnlen(parts[i], NAME_LONGEST))) {
            line->len = before;
            return false;
        }
    return true;
}

static void add_text(struct line *line, const char *name, const char *text) {
    if (format == LOG_FORMAT_LOGFMT && is_bare(text)) {
        size_t before = line->len;
        if (add_name(line, name, "") && !add(line, text, strlen(text)))
            line->len = before;
    } else if (add_name(line, name, "\"")) {
        add_quoted(line, text);
    }
}

static void add_number(struct line *line, const struct log_field *field) {
    char text[32];
    int64_t number = field->number;
    if (field->thousandths)
        snprintf(text, sizeof text, "%" PRId64 ".%03d", number / 1000, (int)(number % 1000));
    else
        snprintf(text, sizeof text, "%" PRId64, number);
    add_name(line, field->name, text);
}

static void add_time(struct line *line) {
    char text[CLOCK_RFC3339_SIZE + 8];
    int64_t now = clock_wall_ms();
    clock_rfc3339(now, text);
    snprintf(strchr(text, 'Z'), 8, ".%03dZ", (int)(now % 1000));
    add_text(line, "time", text);
}

static void emit(enum log_level level, struct line *line) {
    static const int priorities[] = {
        [LOG_LEVEL_ERROR] = LOG_ERR,
        [LOG_LEVEL_WARNING] = LOG_WARNING,
        [LOG_LEVEL_INFO] = LOG_INFO,
        [LOG_LEVEL_DEBUG] = LOG_DEBUG,
    };
    if (!log_send(priorities[level], line->data, line->len))
        metrics_event(EVENT_LOG_LOST, 1);
}

static void write_line(enum log_level level, const char *message, const struct log_field *fields,
                       size_t count) {
    int saved_errno = errno;
    struct line line;
    line.len = 0;
    if (target == LOG_TARGET_STDERR)
        add_time(&line);
    add_text(&line, "level", level_names[level]);
    if (*who)
        add_text(&line, "who", who);
    if (add_name(&line, "msg", "\""))
        add_quoted(&line, message);
    if (context_request_id)
        add_text(&line, "request_id", context_request_id);
    if (context_address)
        add_text(&line, "address", context_address);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].text)
            add_text(&line, fields[i].name, fields[i].text);
        else
            add_number(&line, &fields[i]);
    }
    if (format == LOG_FORMAT_JSON)
        end_with(&line, "}");
    emit(level, &line);
    errno = saved_errno;
}

/* Lines that repeat ------------------------------------------------------------------------------- */

/* Says how many lines with this message were left out.  They may have been about other requests than the one
 * at hand, so this line does not carry its id. */
static void tell(struct repeat *repeat) {
    const char *request_id = context_request_id, *address = context_address;
    const struct log_field fields[] = {F_STR("repeated", repeat->message),
                                       F_INT("left_out", repeat->left_out)};
    if (repeat->left_out == 0)
        return;
    log_context(NULL, NULL);
    write_line(LOG_LEVEL_WARNING, "lines with the same message were left out", fields, 2);
    log_context(request_id, address);
    repeat->left_out = 0;
    silent--;
}

/* The entry of this message; else a free one; else the one whose period ends first is given up for it. */
static struct repeat *repeat_of(const char *message) {
    struct repeat *best = NULL;
    for (size_t i = 0; i < sizeof repeats / sizeof *repeats; i++) {
        struct repeat *one = &repeats[i];
        if (one->message == message)
            return one;
        if (best == NULL || (best->message != NULL &&
                             (one->message == NULL || one->ends < best->ends)))
            best = one;
    }
    tell(best);
    *best = (struct repeat){.message = message};
    return best;
}

static bool is_one_too_many(const char *message) {
    int64_t now = clock_mono_ms();
    if (repeat_period == 0)
        return false;
    struct repeat *repeat = repeat_of(message);
    if (now >= repeat->ends) {
        tell(repeat);
        repeat->ends = now + repeat_period;
        repeat->written = 0;
    }
    if (repeat->written < repeat_count) {
        repeat->written++;
        return false;
    }
    silent += repeat->left_out == 0;
    repeat->left_out++;
    return true;
}

void log_tell_left_out(bool all) {
    int64_t now = silent > 0 ? clock_mono_ms() : 0;
    for (size_t i = 0; silent > 0 && i < sizeof repeats / sizeof *repeats; i++)
        if (all || now >= repeats[i].ends)
            tell(&repeats[i]);
}

int log_wait_ms(void) {
    int64_t next = INT64_MAX;
    if (silent == 0)
        return -1;
    for (size_t i = 0; i < sizeof repeats / sizeof *repeats; i++)
        if (repeats[i].left_out > 0 && repeats[i].ends < next)
            next = repeats[i].ends;
    int64_t left = next - clock_mono_ms();
    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t count) {
    if (level <= threshold && !is_one_too_many(message))
        write_line(level, message, fields, count);
}

void log_write_always(enum log_level level, const char *message, const struct log_field *fields,
                      size_t count) {
    if (level <= threshold)
        write_line(level, message, fields, count);
}

_Noreturn void log_die(const char *file, int line, const char *what) {
    if (threshold < LOG_LEVEL_ERROR)
        threshold = LOG_LEVEL_ERROR;
    log_error("broken invariant", F_STR("what", what), F_STR("file", file), F_INT("line", line));
    abort();
}

bool log_seldom(int64_t *quiet_until) {
    int64_t now = clock_mono_ms();
    if (now < *quiet_until)
        return false;
    *quiet_until = now + SELDOM_MS;
    return true;
}
