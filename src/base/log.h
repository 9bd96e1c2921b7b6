/*
 * log: one line an event, to standard error, syslog or the journal, as logfmt or JSON.
 *
 * A line is a level, a message that never varies (so that it can be searched for) and typed
 * fields.  Field values may hold foreign bytes: whatever is not printable UTF-8, and every quote,
 * backslash and control character, is escaped by the logger, so an event stays one line.
 * Secrets are never passed here; whoever logs a token logs its session id or its jti.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* LOG_LEVEL_FATAL: only broken invariants; for tools that tell of errors themselves. */
enum log_level { LOG_LEVEL_FATAL = -1, LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG, LOG_TARGET_JOURNAL };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log_field {
    const char *name;
    const char *text; /* NULL: the field is the number */
    int64_t number;
    bool thousandths; /* of what is written: 1234 is 1.234 */
};

/* A text field (NULL is written as an empty text), a number field. */
#define F_STR(field_name, value)                                                                   \
    ((struct log_field){.name = (field_name), .text = log_text(value)})
#define F_INT(field_name, value) ((struct log_field){.name = (field_name), .number = (value)})
/* A duration in microseconds, written in milliseconds. */
#define F_MS(field_name, us)                                                                       \
    ((struct log_field){.name = (field_name), .number = (us), .thousandths = true})
/* errno and what it means, as two fields' worth of text. */
#define F_ERRNO(value) ((struct log_field){.name = "errno", .text = log_errno_text(value)})

/* Where lines go from now on.  Before the first call: logfmt on standard error, level info. */
void log_open(enum log_target target, enum log_format format, enum log_level level);

/* How many lines with the same message this process writes in a period; further ones are counted,
 * and one line says how many when the period is over.  Before the first call: all are written. */
void log_limit(int64_t count, int64_t period_ms);

/* Who is speaking ("master", "web/3"); kept by reference, never NULL.  Whoever takes a name begins to
 * count repeated lines anew. */
void log_identity(const char *identity);

/* The request that following lines belong to, and its client's address; NULL, NULL ends it.
 * Both are kept by reference. */
void log_context(const char *request_id, const char *address);

/* Writes one line.  message is static: two lines repeat each other if they have the same one.  count
 * fields; text values are copied before this returns. */
void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t count);
/* The same for what is never left out, however often it comes: who was let in, what was taken from
 * whom, theft. */
void log_write_always(enum log_level level, const char *message, const struct log_field *fields,
                      size_t count);

#define LOG_FIELDS(...) (const struct log_field[]){{0}, ##__VA_ARGS__}
#define LOG_WITH(write, level, message, ...)                                                       \
    write(level, message, LOG_FIELDS(__VA_ARGS__) + 1,                                             \
          sizeof LOG_FIELDS(__VA_ARGS__) / sizeof(struct log_field) - 1)
#define LOG_AT(level, message, ...) LOG_WITH(log_write, level, message, ##__VA_ARGS__)
#define log_event(message, ...)                                                                    \
    LOG_WITH(log_write_always, LOG_LEVEL_INFO, message, ##__VA_ARGS__)
#define log_alarm(message, ...)                                                                    \
    LOG_WITH(log_write_always, LOG_LEVEL_WARNING, message, ##__VA_ARGS__)
#define log_error(message, ...)   LOG_AT(LOG_LEVEL_ERROR, message, ##__VA_ARGS__)
#define log_warning(message, ...) LOG_AT(LOG_LEVEL_WARNING, message, ##__VA_ARGS__)
#define log_info(message, ...)    LOG_AT(LOG_LEVEL_INFO, message, ##__VA_ARGS__)
#define log_debug(message, ...)   LOG_AT(LOG_LEVEL_DEBUG, message, ##__VA_ARGS__)

/* Says how many lines were left out, where their period is over; all: where it is not, too. */
void log_tell_left_out(bool all);
/* In how many milliseconds there will be something to tell; -1: nothing was left out. */
int log_wait_ms(void);

/* Whether it is time for another line about something that a stranger can cause at will: once in ten
 * seconds.  quiet_until is the caller's, 0 at first. */
bool log_seldom(int64_t *quiet_until);

/* Helpers of the macros above. */
const char *log_text(const char *text);
const char *log_errno_text(int error);

/* A broken invariant of ours: says where, and aborts; the pool replaces the worker. */
_Noreturn void log_die(const char *file, int line, const char *what);
#define DIE(what) log_die(__FILE__, __LINE__, what)
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            DIE(#condition);                                                                       \
    } while (0)

#endif
