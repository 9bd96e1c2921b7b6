#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"

static void buf_grows_and_ends_with_nul(void **state) {
    (void)state;
    struct buf buf = {0};
    buf_add(&buf, NULL, 0);
    assert_null(buf.data);
    for (int i = 0; i < 10000; i++) {
        buf_addc(&buf, (char)('a' + i % 26));
        assert_int_equal(buf.data[buf.len], '\0');
    }
    assert_int_equal(buf.len, 10000);
    assert_true(buf.cap > buf.len);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(buf.data[i], 'a' + i % 26);
    buf_free(&buf);
    assert_null(buf.data);
    buf_adds(&buf, "again");
    assert_string_equal(buf.data, "again");
    buf_free(&buf);
}

static void buf_formats(void **state) {
    (void)state;
    struct buf buf = {0};
    buf_addf(&buf, "%s-%d", "x", 7);
    buf_addf(&buf, "%0300d", 1);
    assert_int_equal(buf.len, 303);
    assert_memory_equal(buf.data, "x-70", 4);
    assert_int_equal(strlen(buf.data), 303);
    buf_addf(&buf, "%s", "");
    assert_int_equal(buf.len, 303);
    buf_free(&buf);
}

static void buf_consumes(void **state) {
    (void)state;
    struct buf buf = {0};
    buf_consume(&buf, 0);
    buf_add(&buf, "ab\0cd", 5);
    buf_consume(&buf, 0);
    buf_consume(&buf, 3);
    assert_string_equal(buf.data, "cd");
    assert_int_equal(buf.len, 2);
    buf_consume(&buf, 2);
    assert_string_equal(buf.data, "");
    buf_adds(&buf, "more");
    buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    assert_string_equal(buf.data, "");
    buf_free(&buf);
}

static void buf_reserves(void **state) {
    (void)state;
    struct buf buf = {0};
    buf_adds(&buf, "head");
    char *to = buf_reserve(&buf, 5000);
    assert_ptr_equal(to, buf.data + 4);
    assert_true(buf.cap >= 5005);
    memset(to, 'x', 5000);
    assert_memory_equal(buf.data, "headx", 5);
    buf_free(&buf);
}

/* What runs in a child must not come back; a sanitizer ends it before our own abort does. */
static void assert_dies(void (*what)(void)) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        what();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void reserve_too_much(void) {
    struct buf buf = {0};
    buf_adds(&buf, "1");
    buf_reserve(&buf, SIZE_MAX);
}

static void reserve_all_but_the_nul(void) {
    struct buf buf = {0};
    buf_adds(&buf, "1");
    buf_reserve(&buf, SIZE_MAX - 1);
}

static void consume_too_much(void) {
    struct buf buf = {0};
    buf_adds(&buf, "1");
    buf_consume(&buf, 2);
}

static void allocate_too_much(void) {
    struct arena *arena = arena_new(64);
    arena_alloc(arena, SIZE_MAX - 3);
}

static void allocate_almost_too_much(void) {
    struct arena *arena = arena_new(64);
    arena_alloc(arena, SIZE_MAX - 64);
}

static void array_of_too_many(void) {
    struct arena *arena = arena_new(64);
    arena_array(arena, SIZE_MAX / 8 + 2, 8);
}

static void sizes_never_overflow(void **state) {
    (void)state;
    assert_dies(reserve_too_much);
    assert_dies(reserve_all_but_the_nul);
    assert_dies(consume_too_much);
    assert_dies(allocate_too_much);
    assert_dies(allocate_almost_too_much);
    assert_dies(array_of_too_many);
}

static void arena_aligns_and_keeps_apart(void **state) {
    (void)state;
    struct arena *arena = arena_new(256);
    unsigned char *got[200];
    size_t sizes[200];
    for (size_t i = 0; i < 200; i++) {
        sizes[i] = i % 50 == 49 ? 1000 : i % 37;
        got[i] = arena_alloc(arena, sizes[i]);
        assert_int_equal((uintptr_t)got[i] % alignof(max_align_t), 0);
        memset(got[i], (int)i, sizes[i]);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(got[i][j], i);
    arena_free(&arena);
    assert_null(arena);
    arena_free(&arena);
}

static void arena_reuses_its_blocks(void **state) {
    (void)state;
    struct arena *arena = arena_new(256);
    void *first = arena_alloc(arena, 100);
    memset(first, 'p', 100);
    arena_alloc(arena, 200);
    arena_reset(arena, 4096);
    unsigned char *again = arena_alloc(arena, 100);
    assert_ptr_equal(again, first);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(again[i], 0); /* wiped */
    arena_alloc(arena, 100000);
    arena_reset(arena, 0);
    unsigned char *zeroed = arena_zalloc(arena, 64);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(zeroed[i], 0);
    arena_free(&arena);
}

static void arena_arrays_are_zeroed(void **state) {
    (void)state;
    struct arena *arena = arena_new(256);
    memset(arena_alloc(arena, 100), 'p', 100);
    arena_reset(arena, 4096);
    int64_t *numbers = arena_array(arena, 100, sizeof *numbers);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(numbers[i], 0);
    assert_non_null(arena_array(arena, 0, sizeof *numbers));
    assert_non_null(arena_array(arena, 7, 0));
    arena_free(&arena);
}

static void arena_copies(void **state) {
    (void)state;
    struct arena *arena = arena_new(32);
    assert_null(arena_str(arena, NULL));
    assert_null(arena_dup(arena, NULL, 3));
    assert_string_equal(arena_str(arena, ""), "");
    assert_string_equal(arena_str(arena, "text"), "text");
    char *dup = arena_dup(arena, "a\0b!", 3);
    assert_memory_equal(dup, "a\0b", 4);
    assert_string_equal(arena_dup(arena, "", 0), "");
    char *printed = arena_printf(arena, "%s %0100d", "x", 5);
    assert_int_equal(strlen(printed), 102);
    arena_free(&arena);
}

/* Of every length around what is left of a block: whole, beside its neighbours, and gone afterwards. */
static void arena_prints_around_the_end_of_a_block(void **state) {
    (void)state;
    for (size_t block = 96; block < 96 + alignof(max_align_t); block++)
        for (int len = 1; len < 200; len++) {
            struct arena *arena = arena_new(block);
            /* What malloc gives may hold anything. */
            memset(arena_alloc(arena, 96), 'm', 96);
            arena_reset(arena, 4096);
            unsigned char *first = arena_alloc(arena, 48);
            memset(first, 'f', 48);
            const char *text = arena_printf(arena, "%0*d", len, 7);
            const char *next = arena_printf(arena, "%s", "next");
            assert_int_equal(strlen(text), len);
            assert_int_equal(strspn(text, "0"), len - 1);
            assert_string_equal(next, "next");
            for (size_t i = 0; i < 48; i++)
                assert_int_equal(first[i], 'f');
            arena_reset(arena, 4096);
            /* The first block is whole again. */
            const unsigned char *bytes = arena_alloc(arena, len < (int)block ? 96 : 48);
            for (size_t i = 0; i < 48; i++)
                assert_int_equal(bytes[i], 0);
            for (size_t i = 48; bytes == first && len < (int)block && i < 96; i++)
                assert_int_equal(bytes[i], 0);
            arena_free(&arena);
        }
}

static void buf_formats_around_its_end(void **state) {
    (void)state;
    for (int before = 0; before < 70; before++)
        for (int len = 0; len < 70; len++) {
            struct buf buf = {0};
            for (int i = 0; i < before; i++)
                buf_addc(&buf, 'b');
            buf_addf(&buf, "%.*s", len, "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn");
            assert_int_equal(buf.len, before + len);
            assert_int_equal(strspn(buf.data, "b"), before);
            assert_int_equal(strspn(buf.data + before, "n"), len);
            assert_int_equal(buf.data[buf.len], 0);
            buf_free(&buf);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_grows_and_ends_with_nul),
        cmocka_unit_test(buf_formats),
        cmocka_unit_test(buf_consumes),
        cmocka_unit_test(buf_reserves),
        cmocka_unit_test(sizes_never_overflow),
        cmocka_unit_test(arena_aligns_and_keeps_apart),
        cmocka_unit_test(arena_reuses_its_blocks),
        cmocka_unit_test(arena_arrays_are_zeroed),
        cmocka_unit_test(arena_copies),
        cmocka_unit_test(arena_prints_around_the_end_of_a_block),
        cmocka_unit_test(buf_formats_around_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
