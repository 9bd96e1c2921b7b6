#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/form.h"

static struct arena *arena;

static void decoding(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {"abc", "abc"},
        {"a+b", "a b"},
        {"a%2bb%2Bc", "a+b+c"},
        {"%41%7a", "Az"},
        {"%c3%A4", "\xc3\xa4"},
        {"%25", "%"},
        {"a=b", "a=b"},
        {"%", NULL},
        {"%4", NULL},
        {"%4g", NULL},
        {"%g4", NULL},
        {"%%41", NULL},
        {"a%00b", NULL},
        {"%ff", NULL},
        {"%c3", NULL},
        {"%ed%a0%80", NULL},
        {"\xff", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len;
        const char *text = form_decode(arena, rows[i][0], strlen(rows[i][0]), &len);
        if (rows[i][1] == NULL) {
            assert_null(text);
            continue;
        }
        assert_string_equal(text, rows[i][1]);
        assert_int_equal(len, strlen(rows[i][1]));
    }
    size_t len;
    assert_null(form_decode(arena, "a\0b", 3, &len));
    /* An escape does not reach past the end. */
    assert_null(form_decode(arena, "%41", 2, &len));
}

static const char *parse(const char *text, struct form *form) {
    return form_parse(arena, text, strlen(text), form);
}

static void bodies(void **state) {
    (void)state;
    struct form form;
    size_t len;
    assert_null(parse("token=abc&token_type_hint=access_token", &form));
    assert_string_equal(form_get(&form, "token", &len), "abc");
    assert_int_equal(len, 3);
    assert_string_equal(form_get(&form, "token_type_hint", &len), "access_token");
    assert_null(form_get(&form, "Token", &len));
    assert_null(parse("", &form));
    assert_int_equal(form.count, 0);
    assert_null(parse("&&a=1&&b&=c&", &form));
    assert_int_equal(form.count, 3);
    assert_string_equal(form_get(&form, "b", &len), "");
    assert_string_equal(form_get(&form, "", &len), "c");
    assert_null(parse("a=b=c", &form));
    assert_string_equal(form_get(&form, "a", &len), "b=c");
}

static void refusals(void **state) {
    (void)state;
    struct form form;
    assert_string_equal(parse("token=a&token=b", &form), "has a parameter twice");
    assert_string_equal(parse("token=a&x=1&%74oken=a", &form), "has a parameter twice");
    assert_string_equal(parse("a&a", &form), "has a parameter twice");
    assert_string_equal(parse("token=%zz", &form), "is not form-encoded UTF-8");
    assert_string_equal(parse("%00=a", &form), "is not form-encoded UTF-8");
    assert_null(parse("a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p", &form));
    assert_string_equal(parse("a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", &form),
                        "has more than 16 parameters");
}

static int make_arena(void **state) {
    (void)state;
    arena = arena_new(4096);
    return 0;
}

static int free_arena(void **state) {
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding),
        cmocka_unit_test(bodies),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
