#include "base/encode.h"

#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void hex_encode(const void *bytes, size_t len, char *out) {
    const uint8_t *in = bytes;
    for (size_t i = 0; i < len; i++) {
        *out++ = hex_digits[in[i] >> 4];
        *out++ = hex_digits[in[i] & 15];
    }
    *out = '\0';
}

int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool hex_valid(const char *text, size_t len) {
    return strlen(text) == 2 * len && strspn(text, hex_digits) == 2 * len;
}

static int lower_case_digit(char c) {
    return c >= 'A' && c <= 'F' ? -1 : hex_digit(c);
}

bool hex_decode(const char *text, void *out, size_t len) {
    uint8_t *to = out;
    for (size_t i = 0; i < len; i++) {
        int high = lower_case_digit(text[2 * i]);
        int low = high < 0 ? -1 : lower_case_digit(text[2 * i + 1]);
        if (low < 0)
            return false;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * len] == '\0';
}

size_t base64url_encode(const void *bytes, size_t len, char *out) {
    const uint8_t *in = bytes;
    char *to = out;
    uint32_t bits = 0;
    int count = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | in[i];
        for (count += 8; count >= 6; count -= 6)
            *to++ = base64url_digits[bits >> (count - 6) & 63];
    }
    if (count)
        *to++ = base64url_digits[bits << (6 - count) & 63];
    *to = '\0';
    return (size_t)(to - out);
}

/* last: the two digits after 9. */
static int base64_value(char c, const char last[2]) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == last[0] ? 62 : c == last[1] ? 63 : -1;
}

static long decode(const char *text, size_t text_len, const char last[2], void *out) {
    uint8_t *to = out;
    uint32_t bits = 0;
    int count = 0;
    if (text_len % 4 == 1)
        return -1;
    for (size_t i = 0; i < text_len; i++) {
        int value = base64_value(text[i], last);
        if (value < 0)
            return -1;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *to++ = (uint8_t)(bits >> count);
        }
    }
    /* A revoked token must have one spelling: leftover bits that decode to nothing are refused. */
    if (bits & ((1u << count) - 1))
        return -1;
    return (long)(to - (uint8_t *)out);
}

long base64url_decode(const char *text, size_t text_len, void *out) {
    return decode(text, text_len, "-_", out);
}

long base64_decode(const char *text, size_t text_len, void *out) {
    if (text_len % 4 != 0)
        return -1;
    for (int padding = 0; padding < 2 && text_len > 0 && text[text_len - 1] == '='; padding++)
        text_len--;
    return decode(text, text_len, "+/", out);
}

size_t utf8_sequence(const char *text, size_t len) {
    const uint8_t *s = (const uint8_t *)text;
    if (len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    size_t size = s[0] >= 0xc2 && s[0] <= 0xdf   ? 2
                  : s[0] >= 0xe0 && s[0] <= 0xef ? 3
                  : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                                 : 0;
    if (size == 0 || size > len)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* The second byte tells overlong forms, surrogates and what is above U+10FFFF. */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return size;
}

bool utf8_valid(const char *text, size_t len) {
    while (len) {
        size_t size = utf8_sequence(text, len);
        if (!size)
            return false;
        text += size;
        len -= size;
    }
    return true;
}

size_t utf8_length(const char *text, size_t len) {
    size_t points = 0;
    for (size_t i = 0; i < len; i++)
        points += ((uint8_t)text[i] & 0xc0) != 0x80;
    return points;
}
