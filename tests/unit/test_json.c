#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/encode.h"
#include "base/json.h"

/* From a block of exactly that size, so that a sanitizer sees a read beyond it. */
static json *parse(const char *text, size_t len, const char **why) {
    char *exact = malloc(len ? len : 1);
    memcpy(exact, text, len);
    json *value = json_parse(exact, len, why);
    free(exact);
    return value;
}

static void accepted(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"{}", "{}"},
        {" \t\r\n{ \"a\" : [ 1 , 2 ] } \n", "{\"a\":[1,2]}"},
        {"[]", "[]"},
        {"0", "0"},
        {"-0", "0"},
        {"12", "12"},
        {"-12 ", "-12"},
        {"1.50", "1.50"},
        {"1E5", "1E5"},
        {"1e-400", "1e-400"},
        {"-0.0e+1", "-0.0e+1"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"18446744073709551615", "18446744073709551615"},
        {"true", "true"},
        {"false", "false"},
        {"\"\"", "\"\""},
        {"[null]", "[null]"},
        {"{\"\":null}", "{\"\":null}"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {"\"\\u0041\\u00e9\\uD83D\\ude00\"", "\"A\xc3\xa9\xf0\x9f\x98\x80\""},
        {"\"\\uffff\\u0001\x7f\"", "\"\xef\xbf\xbf\\u0001\x7f\""},
        {"\"\xf4\x8f\xbf\xbf\"", "\"\xf4\x8f\xbf\xbf\""},
        {"{\"a\":{\"a\":[{\"a\":1}]},\"b\":{\"a\":2}}",
         "{\"a\":{\"a\":[{\"a\":1}]},\"b\":{\"a\":2}}"},
        {"{\"a\":1,\"A\":2}", "{\"a\":1,\"A\":2}"},
        {"[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"},
        {"[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]", "[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = "unset";
        json *value = parse(rows[i][0], strlen(rows[i][0]), &why);
        if (!value)
            fail_msg("%s was refused: %s", rows[i][0], why);
        size_t len;
        assert_string_equal(json_text(value, &len), rows[i][1]);
        assert_int_equal(len, strlen(rows[i][1]));
        json_free(value);
    }
}

#define ROW(text) {text, sizeof(text) - 1}

static void refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t len;
    } rows[] = {
        ROW(""), ROW(" "), ROW("null"), ROW("{"), ROW("}"), ROW("["), ROW("{]"), ROW("[1,]"),
        ROW("[,1]"), ROW("[1 2]"), ROW("{\"a\":1,}"), ROW("{\"a\"}"), ROW("{\"a\":}"),
        ROW("{\"a\" 1}"), ROW("{,}"), ROW("{a:1}"), ROW("{'a':1}"), ROW("'a'"), ROW("{1:1}"),
        ROW("{} {}"), ROW("{}x"), ROW("{}\0"), ROW("1 2"), ROW("{}\0{}"), ROW("\0"),
        ROW("{\"a\":1}//x"), ROW("/*x*/{}"), ROW("#\n{}"), ROW("\xef\xbb\xbf{}"),
        ROW("[1]\f"), ROW("\xc2\xa0[]"),
        /* numbers */
        ROW("01"), ROW("-01"), ROW("-"), ROW("+1"), ROW(".5"), ROW("2."), ROW("2.e3"), ROW("2e"),
        ROW("2e+"), ROW("0x1"), ROW("1_0"), ROW("NaN"), ROW("Infinity"), ROW("-Infinity"),
        ROW("nan"), ROW("[-NaN]"), ROW("1e400"), ROW("-1e400"), ROW("[1e999999]"),
        ROW("18446744073709551616"), ROW("-9223372036854775809"),
        ROW("100000000000000000000000000000"),
        /* words */
        ROW("tru"), ROW("True"), ROW("TRUE"), ROW("nul"), ROW("truex"), ROW("undefined"),
        /* strings */
        ROW("\""), ROW("\"a"), ROW("\"\\\""), ROW("\"\\x41\""), ROW("\"\\'\""), ROW("\"\\u12\""),
        ROW("\"\\u12G4\""), ROW("\"\\U0041\""), ROW("\"a\nb\""), ROW("\"a\tb\""), ROW("\"\x1f\""),
        ROW("\"a\0b\""), ROW("\"\\u0000\""), ROW("{\"a\\u0000b\":1}"), ROW("{\"\0\":1}"),
        ROW("\"\\0\""), ROW("\"\\\0\""), ROW("\"\\ud800\""), ROW("\"\\udc00\""),
        ROW("\"\\ud800\\ud800\""), ROW("\"\\ud800x\""), ROW("\"\\ud800\\n\""),
        ROW("\"\\udc00\\ud800\""), ROW("\"\\ud83d\\u\""), ROW("\"\xff\""), ROW("\"\xc0\x80\""),
        ROW("\"\xed\xa0\x80\""), ROW("\"\xc3\""), ROW("{\"\xff\":1}"), ROW("[\xff]"),
        /* names given twice */
        ROW("{\"a\":1,\"a\":1}"), ROW("{\"a\":1,\"b\":2,\"a\":null}"), ROW("{\"a\":1,\"\\u0061\":2}"),
        ROW("[{\"x\":{\"a\":1,\"a\":2}}]"), ROW("{\"\":1,\"\":2}"),
        ROW("{\"a\":{\"b\":1},\"a\":{\"c\":1,\"d\":2}}"),
        ROW("{\"\xc3\xa9\":1,\"\\u00e9\":2}"),
        /* depth */
        ROW("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"), ROW("[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = NULL;
        json *value = parse(rows[i].text, rows[i].len, &why);
        if (value)
            fail_msg("row %zu was accepted: %s", i, rows[i].text);
        assert_non_null(why);
        assert_true(utf8_valid(why, strlen(why)));
    }
}

static void whys(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"{\"a\":1,\"a\":2}", "a name is given twice in one object"},
        {"\"\\u0000\"", "a NUL is not allowed"},
        {"\"\xff\"", "the document is not valid UTF-8"},
        {"[1e400]", "a number is out of range"},
        {"[", "the document ends too early"},
        {"\"\\ud800\"", "a surrogate stands alone"},
        {"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", "the document is nested too deeply"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why;
        assert_null(parse(rows[i][0], strlen(rows[i][0]), &why));
        assert_string_equal(why, rows[i][1]);
    }
}

static void hostile_sizes(void **state) {
    (void)state;
    const char *why;
    struct buf buf = {0};
    for (int i = 0; i < 100000; i++)
        buf_addc(&buf, '[');
    assert_null(parse(buf.data, buf.len, &why));
    buf_clear(&buf);
    buf_addc(&buf, '{');
    for (int i = 0; i < 100000; i++)
        buf_addf(&buf, "%s\"k%d\":%d", i ? "," : "", i, i);
    buf_addc(&buf, '}');
    json *value = parse(buf.data, buf.len, &why);
    assert_non_null(value);
    int64_t number;
    assert_int_equal(json_get_int(value, "k99999", &number), JSON_FOUND);
    assert_int_equal(number, 99999);
    json_free(value);
    buf.len--;
    buf_adds(&buf, ",\"k7\":0}");
    assert_null(parse(buf.data, buf.len, &why));
    buf_free(&buf);
}

/* No document and none of its pieces may be read beyond its end. */
static void every_prefix_is_refused(void **state) {
    (void)state;
    const char *text = "{\"a\":[1,-2.5e+3,true,false,null,\"\\u00e9\\ud83d\\ude00\\n\xc3\xa9\"]}";
    const char *why;
    for (size_t len = 0; len < strlen(text); len++)
        assert_null(parse(text, len, &why));
    json *value = parse(text, strlen(text), &why);
    assert_non_null(value);
    json_free(value);
}

static void getters_are_exact(void **state) {
    (void)state;
    const char *text = "{\"s\":\"12\",\"i\":12,\"d\":1.0,\"b\":true,\"n\":null,\"o\":{},\"a\":[\"x\",1,"
                       "null],\"big\":9223372036854775808,\"min\":-9223372036854775808,"
                       "\"max\":9223372036854775807,\"e\":\"\"}";
    const char *why, *string;
    size_t len;
    int64_t number = 0;
    bool yes = false;
    json *inner;
    json *value = parse(text, strlen(text), &why);
    assert_non_null(value);
    assert_true(json_is_object(value));
    assert_true(json_says(value, "s", "12"));
    assert_true(json_says(value, "e", ""));
    static const char *const other_texts[] = {"", "1", "123"}, *const no_texts[] = {"i", "n", "o", "a", "x"};
    for (size_t i = 0; i < sizeof other_texts / sizeof *other_texts; i++)
        assert_false(json_says(value, "s", other_texts[i]));
    for (size_t i = 0; i < sizeof no_texts / sizeof *no_texts; i++) {
        assert_false(json_says(value, no_texts[i], ""));
        assert_false(json_says(value, no_texts[i], "12"));
        assert_int_equal(json_has(value, no_texts[i]), strcmp(no_texts[i], "x") != 0);
    }
    assert_false(json_has(NULL, "s"));
    assert_false(json_says(NULL, "s", "12"));
    assert_int_equal(json_get_string(value, "s", &string, &len), JSON_FOUND);
    assert_string_equal(string, "12");
    assert_int_equal(len, 2);
    assert_int_equal(json_get_string(value, "e", &string, &len), JSON_FOUND);
    assert_int_equal(len, 0);
    assert_int_equal(json_get_string(value, "i", &string, &len), JSON_WRONG_TYPE);
    assert_int_equal(json_get_string(value, "n", &string, &len), JSON_NULL);
    assert_int_equal(json_get_string(value, "x", &string, &len), JSON_MISSING);
    assert_int_equal(json_get_int(value, "i", &number), JSON_FOUND);
    assert_int_equal(number, 12);
    static const char *const no_integers[] = {"s", "d", "b", "o", "a", "big"};
    for (size_t i = 0; i < sizeof no_integers / sizeof *no_integers; i++)
        assert_int_equal(json_get_int(value, no_integers[i], &number), JSON_WRONG_TYPE);
    assert_int_equal(json_get_int(value, "min", &number), JSON_FOUND);
    assert_true(number == INT64_MIN);
    assert_int_equal(json_get_int(value, "max", &number), JSON_FOUND);
    assert_true(number == INT64_MAX);
    assert_int_equal(json_get_bool(value, "b", &yes), JSON_FOUND);
    assert_true(yes);
    assert_int_equal(json_get_bool(value, "i", &yes), JSON_WRONG_TYPE);
    assert_int_equal(json_get_bool(value, "s", &yes), JSON_WRONG_TYPE);
    assert_int_equal(json_get_object(value, "o", &inner), JSON_FOUND);
    assert_true(json_is_object(inner));
    assert_int_equal(json_get_object(value, "a", &inner), JSON_WRONG_TYPE);
    assert_int_equal(json_get_array(value, "o", &inner), JSON_WRONG_TYPE);
    assert_int_equal(json_get_array(value, "a", &inner), JSON_FOUND);
    assert_int_equal(json_array_size(inner), 3);
    assert_string_equal(json_array_string(inner, 0), "x");
    assert_null(json_array_string(inner, 1));
    assert_null(json_array_string(inner, 2));
    assert_null(json_array_string(inner, 3));
    assert_int_equal(json_get_int(inner, "x", &number), JSON_MISSING);
    assert_int_equal(json_get_int(NULL, "x", &number), JSON_MISSING);
    json_free(value);
    json_free(NULL);
}

static void building(void **state) {
    (void)state;
    json *object = json_new_object();
    json *array = json_new_array();
    json_append_string(array, "a/b");
    json_append_string(array, NULL);
    json_append(array, json_new_object());
    json_add_string(object, "s", "\"\n\xc3\xa9");
    json_add_string(object, "bad", "a\xff\xc3z\xc3");
    json_add_string(object, "none", NULL);
    json_add_int(object, "i", INT64_MIN);
    json_add_bool(object, "t", true);
    json_add_bool(object, "f", false);
    json_add(object, "list", array);
    json_add(object, "null", NULL);
    size_t len;
    const char *text = json_text(object, &len);
    assert_string_equal(text, "{\"s\":\"\\\"\\n\xc3\xa9\",\"bad\":\"a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf"
                              "\xbd\",\"none\":null,\"i\":-9223372036854775808,\"t\":true,"
                              "\"f\":false,\"list\":[\"a/b\",null,{}],\"null\":null}");
    assert_int_equal(len, strlen(text));
    const char *why;
    json *again = parse(text, len, &why);
    assert_non_null(again);
    json_free(again);
    json_free(object);
}

static void words_become_an_array(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", "[]"}, {"admin", "[\"admin\"]"}, {"a,b:c,d", "[\"a\",\"b:c\",\"d\"]"},
        {",a,,b,", "[\"a\",\"b\"]"}, {"\xff,a b", "[\"\xef\xbf\xbd\",\"a b\"]"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len;
        json *array = json_new_words(rows[i][0]);
        assert_string_equal(json_text(array, &len), rows[i][1]);
        json_free(array);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),
        cmocka_unit_test(refused),
        cmocka_unit_test(whys),
        cmocka_unit_test(hostile_sizes),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(getters_are_exact),
        cmocka_unit_test(building),
        cmocka_unit_test(words_become_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
