#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "store/command.h"

static void assert_command(int argc, const char *const *argv, const size_t *lens,
                           const char *expected, size_t len) {
    struct buf out = {0};
    buf_adds(&out, "before");
    command_add(&out, argc, argv, lens);
    assert_int_equal(out.len, 6 + len);
    assert_memory_equal(out.data, "before", 6);
    assert_memory_equal(out.data + 6, expected, len);
    buf_free(&out);
}

static void words(void **state) {
    (void)state;
    static const char *const argv[] = {"EXISTS", "gh:blacklist:a"};
    static const size_t lens[] = {6, 14};
    static const char expected[] = "*2\r\n$6\r\nEXISTS\r\n$14\r\ngh:blacklist:a\r\n";
    assert_command(2, argv, lens, expected, sizeof expected - 1);
    assert_command(2, argv, NULL, expected, sizeof expected - 1);
}

/* A length says where a word ends, and nothing in it does. */
static void any_byte(void **state) {
    (void)state;
    static const char *const argv[] = {"SET", "a\r\n$3\r\n", "", "\0\xff"};
    static const size_t lens[] = {3, 7, 0, 2};
    static const char expected[] =
        "*4\r\n$3\r\nSET\r\n$7\r\na\r\n$3\r\n\r\n$0\r\n\r\n$2\r\n\0\xff\r\n";
    assert_command(4, argv, lens, expected, sizeof expected - 1);
}

static void long_words(void **state) {
    (void)state;
    static const size_t sizes[] = {9, 10, 99, 100, 65535, 1234567};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *word = malloc(sizes[i]);
        const char *argv[] = {word};
        struct buf expected = {0};
        memset(word, 'w', sizes[i]);
        buf_addf(&expected, "*1\r\n$%zu\r\n", sizes[i]);
        buf_add(&expected, word, sizes[i]);
        buf_adds(&expected, "\r\n");
        assert_command(1, argv, &sizes[i], expected.data, expected.len);
        buf_free(&expected);
        free(word);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(any_byte),
        cmocka_unit_test(long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
