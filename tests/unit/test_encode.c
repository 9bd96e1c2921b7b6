#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/encode.h"

struct pair {
    const char *bytes;
    size_t len;
    const char *text;
};

static void hex_pairs(void **state) {
    (void)state;
    static const struct pair rows[] = {
        {"", 0, ""}, {"\0", 1, "00"}, {"\xff\x0a\xb0", 3, "ff0ab0"}, {"abc", 3, "616263"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[16];
        uint8_t back[16];
        hex_encode(rows[i].bytes, rows[i].len, text);
        assert_string_equal(text, rows[i].text);
        assert_true(hex_decode(text, back, rows[i].len));
        assert_memory_equal(back, rows[i].bytes, rows[i].len);
    }
}

static void hex_digits_and_texts(void **state) {
    (void)state;
    static const char digits[] = "0123456789abcdef";
    for (int c = 0; c < 256; c++) {
        const char *at = c != 0 ? strchr(digits, c | (c >= 'A' && c <= 'F' ? 0x20 : 0)) : NULL;
        assert_int_equal(hex_digit((char)c), at != NULL ? at - digits : -1);
    }
    assert_true(hex_valid("", 0));
    assert_true(hex_valid("00ff", 2));
    assert_false(hex_valid("00ff", 1));
    assert_false(hex_valid("00f", 2));
    assert_false(hex_valid("00fF", 2));
    assert_false(hex_valid("00f ", 2));
}

static void hex_refusals(void **state) {
    (void)state;
    static const char *const rows[] = {"",     "0",    "00",   "000",  "00000",   "0 00",
                                       "00FF", "00fg", "0x00", "-100", "00f\xff", " 0000"};
    uint8_t out[2];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_false(hex_decode(rows[i], out, 2));
}

/* RFC 4648 section 10, without padding, and the two signs that make it URL safe. */
static void base64url_pairs(void **state) {
    (void)state;
    static const struct pair rows[] = {
        {"", 0, ""},
        {"f", 1, "Zg"},
        {"fo", 2, "Zm8"},
        {"foo", 3, "Zm9v"},
        {"foob", 4, "Zm9vYg"},
        {"fooba", 5, "Zm9vYmE"},
        {"foobar", 6, "Zm9vYmFy"},
        {"\xfb\xff\xfe", 3, "-__-"},
        {"\0\0", 2, "AAA"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[BASE64URL_SIZE(6)];
        uint8_t back[16];
        size_t len = base64url_encode(rows[i].bytes, rows[i].len, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(len, strlen(rows[i].text));
        assert_int_equal(len + 1, BASE64URL_SIZE(rows[i].len));
        assert_int_equal(base64url_decode(text, len, back), rows[i].len);
        assert_memory_equal(back, rows[i].bytes, rows[i].len);
    }
}

static void base64url_refusals(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t len;
    } rows[] = {{"Z", 1},     {"Zg==", 4},     {"Zg=", 3},      {"Zm9vY", 5}, {"Zh", 2},
                {"Zm9", 3},   {"+_AA", 4},     {"/_AA", 4},     {"Zm 9", 4},  {"Zm9v\n", 5},
                {"Zm\0v", 4}, {"Zm9v\n\n", 6}, {"\xc3\xa9", 2}, {"Zm.v", 4},  {" Zg", 3},
                {"AAAAA", 5}, {"Zm9vA", 5},    {"A", 1}};
    uint8_t out[16];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(base64url_decode(rows[i].text, rows[i].len, out), -1);
}

/* Of the 64 last digits of a text of 2 (or 3) only those that leave no bits over decode: 4 (16). */
static void base64url_has_one_spelling(void **state) {
    (void)state;
    int two = 0, three = 0;
    for (int c = 1; c < 256; c++) {
        uint8_t out[4];
        char text[3] = {'A', (char)c, '\0'};
        two += base64url_decode(text, 2, out) == 1;
        char longer[3] = {'A', 'A', (char)c};
        three += base64url_decode(longer, 3, out) == 2;
    }
    assert_int_equal(two, 4);
    assert_int_equal(three, 16);
}

/* RFC 4648 section 10, and what a Basic header could be mangled to. */
static void base64_rows(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},         {"Zg==", "f"},     {"Zm8=", "fo"},  {"Zm9v", "foo"},
        {"Zm9vYg==", "foob"}, {"+/+/", "\xfb\xff\xbf"}, {"Zg", NULL},   {"Zg=", NULL},
        {"Zg===", NULL},  {"Z===", NULL},    {"====", NULL},  {"Zh==", NULL},
        {"Zg==Zg==", NULL}, {"-_-_", NULL},  {"Zm9v\n", NULL}, {"Zm 9", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[32];
        long len = base64_decode(rows[i][0], strlen(rows[i][0]), out);
        assert_int_equal(len, rows[i][1] != NULL ? (long)strlen(rows[i][1]) : -1);
        if (len > 0)
            assert_memory_equal(out, rows[i][1], (size_t)len);
    }
}

static void utf8_rows(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        int points; /* -1: invalid */
    } rows[] = {
        {"", 0, 0},
        {"a\0b", 3, 3},
        {"\x7f", 1, 1},
        {"\xc2\x80", 2, 1},
        {"\xc3\xa9t\xc3\xa9", 5, 3},
        {"\xe0\xa0\x80", 3, 1},
        {"\xed\x9f\xbf", 3, 1},
        {"\xee\x80\x80", 3, 1},
        {"\xef\xbf\xbf", 3, 1},
        {"\xf0\x90\x80\x80", 4, 1},
        {"\xf4\x8f\xbf\xbf", 4, 1},
        {"\x80", 1, -1},
        {"\xc0\x80", 2, -1},
        {"\xc1\xbf", 2, -1},
        {"\xc3", 1, -1},
        {"\xc3(", 2, -1},
        {"\xe0\x9f\xbf", 3, -1},
        {"\xed\xa0\x80", 3, -1},
        {"\xed\xbf\xbf", 3, -1},
        {"\xe2\x82", 2, -1},
        {"\xf0\x8f\xbf\xbf", 4, -1},
        {"\xf4\x90\x80\x80", 4, -1},
        {"\xf5\x80\x80\x80", 4, -1},
        {"\xf8\x88\x80\x80\x80", 5, -1},
        {"\xff", 1, -1},
        {"ok\xe2\x28\xa1", 5, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(utf8_valid(rows[i].text, rows[i].len), rows[i].points >= 0);
        if (rows[i].points >= 0)
            assert_int_equal(utf8_length(rows[i].text, rows[i].len), rows[i].points);
    }
    assert_int_equal(utf8_sequence("\xe2\x82\xac!", 4), 3);
    assert_int_equal(utf8_sequence("\xe2\x82", 2), 0);
    assert_int_equal(utf8_sequence("", 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_pairs),
        cmocka_unit_test(hex_digits_and_texts),
        cmocka_unit_test(hex_refusals),
        cmocka_unit_test(base64url_pairs),
        cmocka_unit_test(base64url_refusals),
        cmocka_unit_test(base64url_has_one_spelling),
        cmocka_unit_test(base64_rows),
        cmocka_unit_test(utf8_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
