#include "base/conf_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first, so that values are printed in the largest unit that holds them. */
static const struct unit durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                        {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit sizes[] = {
    {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"", 1}, {NULL, 0}};
static const struct unit plain[] = {{"", 1}, {NULL, 0}};

static void *member(void *base, const struct option *option) {
    return (char *)base + option->offset;
}

static const void *member_const(const void *base, const struct option *option) {
    return (const char *)base + option->offset;
}

/* A decimal number and one of units; a bare 0 needs no unit. */
static bool parse_amount(const char *text, const struct unit *units, int64_t *out) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18)
        return false;
    *out = strtoll(text, NULL, 10);
    if (strcmp(text, "0") == 0)
        return true;
    for (; units->name; units++)
        if (strcmp(text + digits, units->name) == 0)
            return !__builtin_mul_overflow(*out, units->factor, out);
    return false;
}

static void print_amount(int64_t value, const struct unit *units, struct buf *out) {
    while (units[1].name && (value == 0 || value % units->factor))
        units++;
    if (value == 0 && units->name[0])
        units--; /* "0s" rather than "0ms" */
    buf_addf(out, "%" PRId64 "%s", value / units->factor, units->name);
}

static const struct unit *units_of(const struct option *option) {
    return option->kind == KIND_DURATION ? durations : option->kind == KIND_SIZE ? sizes : plain;
}

static const char *form_of(const struct option *option) {
    return option->kind == KIND_DURATION ? "a number with a unit (500ms, 10s, 15m, 24h, 30d)"
           : option->kind == KIND_SIZE   ? "a number of bytes (or 64k, 1m)"
                                         : "a whole number";
}

static bool set_amount(int64_t *to, const struct option *option, const char *text, char *why,
                       size_t why_size) {
    int64_t value, min, max;
    MUST(parse_amount(option->min, units_of(option), &min));
    MUST(parse_amount(option->max, units_of(option), &max));
    bool ok = parse_amount(text, units_of(option), &value);
    if (ok && value >= min && value <= max) {
        *to = value;
        return true;
    }
    snprintf(why, why_size, "\"%.64s\" is %s; allowed is %s from %s to %s", text,
             ok ? "out of range" : "not understood", form_of(option), option->min, option->max);
    return false;
}

static bool set_rate(struct conf_rate *to, const char *text, char *why, size_t why_size) {
    char count[12];
    struct conf_rate rate;
    size_t len = strcspn(text, "/");
    if (text[len] && len < sizeof count) {
        memcpy(count, text, len);
        count[len] = '\0';
        if (parse_amount(count, plain, &rate.count) && rate.count >= 1 && rate.count <= 1000000 &&
            parse_amount(text + len + 1, durations, &rate.period_ms) && rate.period_ms >= 1000 &&
            rate.period_ms <= 366 * INT64_C(86400000)) {
            *to = rate;
            return true;
        }
    }
    snprintf(why, why_size,
             "\"%.64s\" is not understood; allowed is a count (1 to 1000000), a slash and a period "
             "(1s to 366d), as in 30/1m",
             text);
    return false;
}

static bool set_bool(bool *to, const char *text, char *why, size_t why_size) {
    static const char *const words[] = {"no", "yes", "off", "on", "false", "true"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0) {
            *to = i % 2;
            return true;
        }
    snprintf(why, why_size,
             "\"%.64s\" is not understood; allowed is yes, no, on, off, true or false", text);
    return false;
}

static bool set_choice(int *to, const char *choices, const char *text, char *why, size_t why_size) {
    size_t len = strlen(text);
    int number = 0;
    for (const char *word = choices; *word; number++) {
        size_t word_len = strcspn(word, "|");
        if (len == word_len && memcmp(word, text, len) == 0) {
            *to = number;
            return true;
        }
        word += word_len + (word[word_len] == '|');
    }
    snprintf(why, why_size, "\"%.64s\" is not understood; allowed is %s", text, choices);
    return false;
}

static bool is_plain_text(const char *text) {
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return utf8_valid(text, strlen(text));
}

/* A url may hold a password. */
static void free_text(char *text) {
    if (text)
        secret_wipe(text, strlen(text));
    free(text);
}

static bool set_text(char **to, const struct option *option, const char *text, char *why,
                     size_t why_size) {
    if (!is_plain_text(text)) {
        snprintf(why, why_size, "it holds control characters or is not UTF-8");
        return false;
    }
    char *copy = strdup(text);
    if (!copy)
        DIE("out of memory");
    if (*copy && option->check && !option->check(copy, why, why_size)) {
        free_text(copy);
        return false;
    }
    free_text(*to);
    *to = copy;
    return true;
}

bool conf_value_set(void *base, const struct option *option, const char *text, char *why,
                    size_t why_size) {
    void *to = member(base, option);
    if (!*text)
        text = option->initial;
    switch (option->kind) {
    case KIND_TEXT:
        return set_text(to, option, text, why, why_size);
    case KIND_CHOICE:
        return set_choice(to, option->choices, text, why, why_size);
    case KIND_BOOL:
        return set_bool(to, text, why, why_size);
    case KIND_RATE:
        return set_rate(to, text, why, why_size);
    case KIND_DURATION:
    case KIND_SIZE:
    case KIND_INT:
        return set_amount(to, option, text, why, why_size);
    }
    DIE("an option of no kind");
}

static void print_choice(int number, const char *choices, struct buf *out) {
    while (number--)
        choices += strcspn(choices, "|") + 1;
    buf_add(out, choices, strcspn(choices, "|"));
}

static void print_rate(const struct conf_rate *rate, const struct option *option, struct buf *out) {
    char why[160];
    struct conf_rate initial;
    MUST(set_rate(&initial, option->initial, why, sizeof why));
    if (rate->count == initial.count && rate->period_ms == initial.period_ms) {
        buf_adds(out, option->initial);
        return;
    }
    buf_addf(out, "%" PRId64 "/", rate->count);
    print_amount(rate->period_ms, durations, out);
}

/* A default is spelt as the manual spells it: 24h, not 1d. */
static void print_number(int64_t value, const struct option *option, struct buf *out) {
    int64_t initial;
    MUST(parse_amount(option->initial, units_of(option), &initial));
    if (value == initial)
        buf_adds(out, option->initial);
    else
        print_amount(value, units_of(option), out);
}

void conf_value_print(const void *base, const struct option *option, struct buf *out) {
    const void *from = member_const(base, option);
    switch (option->kind) {
    case KIND_TEXT:
        buf_adds(out, *(char *const *)from);
        return;
    case KIND_CHOICE:
        print_choice(*(const int *)from, option->choices, out);
        return;
    case KIND_BOOL:
        buf_adds(out, *(const bool *)from ? "yes" : "no");
        return;
    case KIND_RATE:
        print_rate(from, option, out);
        return;
    case KIND_DURATION:
    case KIND_SIZE:
    case KIND_INT:
        print_number(*(const int64_t *)from, option, out);
        return;
    }
}

void conf_value_free(void *base, const struct option *option) {
    if (option->kind == KIND_TEXT)
        free_text(*(char **)member(base, option));
}
