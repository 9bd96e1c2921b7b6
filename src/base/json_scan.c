#include "base/json_scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/encode.h"
#include "base/json.h"

struct scanner {
    const char *at;
    const char *end;
    size_t members;
    const char *why;
};

static bool refuse(struct scanner *s, const char *why) {
    if (!s->why)
        s->why = why;
    return false;
}

static bool unexpected(struct scanner *s) {
    if (s->at == s->end)
        return refuse(s, "the document ends too early");
    if (*s->at == '\0')
        return refuse(s, "a NUL is not allowed");
    return refuse(s, "the document is not JSON");
}

static void skip_space(struct scanner *s) {
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool take(struct scanner *s, char c) {
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool take_word(struct scanner *s, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return unexpected(s);
    s->at += len;
    return true;
}

static size_t take_digits(struct scanner *s) {
    const char *start = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return (size_t)(s->at - start);
}

/* json-c would clamp what is larger. */
static bool integer_fits(const char *digits, size_t len, bool negative) {
    const char *most = negative ? "9223372036854775808" : "18446744073709551615";
    size_t most_len = strlen(most);
    return len < most_len || (len == most_len && memcmp(digits, most, len) <= 0);
}

static bool scan_number(struct scanner *s) {
    bool negative = take(s, '-');
    const char *digits = s->at;
    if (!take(s, '0') && !take_digits(s))
        return unexpected(s);
    size_t len = (size_t)(s->at - digits);
    bool integer = true;
    if (take(s, '.')) {
        integer = false;
        if (!take_digits(s))
            return unexpected(s);
    }
    if (take(s, 'e') || take(s, 'E')) {
        integer = false;
        if (!take(s, '+'))
            take(s, '-');
        if (!take_digits(s))
            return unexpected(s);
    }
    if (integer && !integer_fits(digits, len, negative))
        return refuse(s, "a number is out of range");
    return true;
}

/* The four digits of a \u escape. */
static bool take_code_unit(struct scanner *s, unsigned *unit) {
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        if (s->at == s->end)
            return unexpected(s);
        int value = hex_digit(*s->at);
        if (value < 0)
            return unexpected(s);
        *unit = *unit << 4 | (unsigned)value;
        s->at++;
    }
    return true;
}

static bool scan_unicode_escape(struct scanner *s) {
    unsigned unit;
    if (!take_code_unit(s, &unit))
        return false;
    if (unit == 0)
        return refuse(s, "a NUL is not allowed");
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    if (unit > 0xdbff || !take(s, '\\') || !take(s, 'u'))
        return refuse(s, "a surrogate stands alone");
    if (!take_code_unit(s, &unit))
        return false;
    return (unit >= 0xdc00 && unit <= 0xdfff) || refuse(s, "a surrogate stands alone");
}

static bool scan_escape(struct scanner *s) {
    if (s->at == s->end || *s->at == '\0' || !strchr("\"\\/bfnrtu", *s->at))
        return unexpected(s);
    return *s->at++ != 'u' || scan_unicode_escape(s);
}

static bool scan_string(struct scanner *s) {
    if (!take(s, '"'))
        return unexpected(s);
    while (!take(s, '"')) {
        if (take(s, '\\')) {
            if (!scan_escape(s))
                return false;
        } else if (s->at == s->end || *s->at == '\0') {
            return unexpected(s);
        } else if ((unsigned char)*s->at < 0x20) {
            return refuse(s, "a control character stands in a string");
        } else {
            s->at++;
        }
    }
    return true;
}

static bool scan_value(struct scanner *s, int depth);

static bool scan_member(struct scanner *s, int depth) {
    skip_space(s);
    if (!scan_string(s))
        return false;
    s->members++;
    skip_space(s);
    if (!take(s, ':'))
        return unexpected(s);
    return scan_value(s, depth);
}

/* An object or an array: they differ in the closing sign and in what stands between the commas. */
static bool scan_nested(struct scanner *s, int depth, char close,
                        bool (*scan_item)(struct scanner *, int)) {
    if (depth > JSON_MAX_DEPTH)
        return refuse(s, "the document is nested too deeply");
    s->at++;
    skip_space(s);
    if (take(s, close))
        return true;
    for (;;) {
        if (!scan_item(s, depth))
            return false;
        if (take(s, close))
            return true;
        if (!take(s, ','))
            return unexpected(s);
    }
}

/* A value and the white space around it; depth is that of what it stands in. */
static bool scan_value(struct scanner *s, int depth) {
    bool ok;
    skip_space(s);
    switch (s->at < s->end ? *s->at : '\0') {
    case '{':
        ok = scan_nested(s, depth + 1, '}', scan_member);
        break;
    case '[':
        ok = scan_nested(s, depth + 1, ']', scan_value);
        break;
    case '"':
        ok = scan_string(s);
        break;
    case 't':
        ok = take_word(s, "true");
        break;
    case 'f':
        ok = take_word(s, "false");
        break;
    case 'n':
        ok = take_word(s, "null");
        break;
    default:
        ok = scan_number(s);
    }
    skip_space(s);
    return ok;
}

const char *json_scan(const char *text, size_t len, size_t *members) {
    struct scanner s = {.at = text, .end = text + len};
    if (len > INT32_MAX)
        return "the document is too long";
    if (!utf8_valid(text, len))
        return "the document is not valid UTF-8";
    if (scan_value(&s, 0) && s.at != s.end)
        unexpected(&s);
    *members = s.members;
    return s.why;
}
