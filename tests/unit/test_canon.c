#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/canon.h"

static struct arena *arena;

/* Two addresses are one account exactly where the second column is the same bytes. */
static void emails(void **state) {
    (void)state;
    static const struct {
        const char *email, *canonical; /* NULL: refused */
    } rows[] = {
        {"\xc4\xb0van@x.example", "\xc4\xb0van@x.example"}, /* İ is not i */
        {"a@b.example", "a@b.example"},
        {"A@B.EXAMPLE", "a@b.example"},
        {"Ivan.Petrov+x@B.example", "ivan.petrov+x@b.example"},
        {"", ""},
        {"a@b.example ", "a@b.example "},
        {"\xc3\x84@b.example", "\xc3\xa4@b.example"},   /* Ä */
        {"A\xcc\x88@b.example", "\xc3\xa4@b.example"},  /* A and two dots */
        {"a\xcc\x88@b.example", "\xc3\xa4@b.example"},
        {"\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd@b.example", "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd@b.example"},
        {"stra\xc3\x9f" "e@b.example", "stra\xc3\x9f" "e@b.example"}, /* ß is not ss */
        {"STRA\xe1\xba\x9e" "E@b.example", "stra\xc3\x9f" "e@b.example"},
        {"\xce\xa3@b.example", "\xcf\x83@b.example"}, /* Σ is σ, and so is ς */
        {"\xcf\x82@b.example", "\xcf\x83@b.example"},
        {"\xe2\x84\xaa@b.example", "k@b.example"}, /* the Kelvin sign is a K (NFC) */
        {"\xef\xbd\x81@b.example", "\xef\xbd\x81@b.example"}, /* full width is not a */
        {"\xd0\xb0@b.example", "\xd0\xb0@b.example"},         /* Cyrillic a */
        {"\xff@b.example", NULL},
        {"\xc0\xaf@b.example", NULL},
        {"\xed\xa0\x80@b.example", NULL},
        {"\xf4\x90\x80\x80@b.example", NULL},
        {"a\xc3", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *canonical = canon_email(arena, rows[i].email);
        if (rows[i].canonical == NULL ? canonical != NULL
                                      : canonical == NULL ||
                                            strcmp(canonical, rows[i].canonical) != 0)
            fail_msg("\"%s\" became \"%s\"", rows[i].email, canonical != NULL ? canonical : "NULL");
        /* A canonical form is its own. */
        if (canonical != NULL)
            assert_string_equal(canon_email(arena, canonical), canonical);
    }
}

static void long_emails(void **state) {
    (void)state;
    char email[256];
    memset(email, 'A', sizeof email);
    email[255] = '\0';
    assert_null(canon_email(arena, email));
    email[254] = '\0';
    assert_int_equal(strlen(canon_email(arena, email)), 254);
    /* Ⱥ has two bytes, ⱥ has three: 127 of them fit before and not after. */
    for (size_t i = 0; i < 127; i++)
        memcpy(email + 2 * i, "\xc8\xba", 2);
    assert_null(canon_email(arena, email));
}

/* ASCII by itself, which takes a short way, and beside a letter that does not. */
static void ascii_is_the_same_either_way(void **state) {
    (void)state;
    for (int c = 1; c < 0x80; c++) {
        char lower = (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c), text[4];
        size_t len;
        snprintf(text, sizeof text, "%c", c);
        assert_int_equal(canon_email(arena, text)[0], lower);
        char *password = canon_password(text, 1, &len);
        assert_int_equal(len, 1);
        assert_memory_equal(password, text, 2);
        free(password);
        snprintf(text, sizeof text, "%c\xc3\xa4", c);
        assert_int_equal(canon_email(arena, text)[0], lower);
        assert_string_equal(canon_email(arena, text) + 1, "\xc3\xa4");
        password = canon_password(text, 3, &len);
        assert_int_equal(len, 3);
        assert_memory_equal(password, text, 4);
        free(password);
    }
}

static void usernames(void **state) {
    (void)state;
    assert_string_equal(canon_username(arena, "Ivan.P_-09Z"), "ivan.p_-09z");
    assert_string_equal(canon_username(arena, ""), "");
    assert_string_equal(canon_username(arena, "@[`{"), "@[`{");
    assert_string_equal(canon_username(arena, "\xc3\x84"), "\xc3\x84");
}

static void words(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool words;
    } rows[] = {
        {"", true},
        {"a@b.example !\"#", true}, /* what is ASCII, others look at */
        {"\xc3\xa4\xd0\xb8\xe4\xb8\xad\xd9\x85", true}, /* ä и 中 م */
        {"a\xcc\x88", true},
        {"\xe0\xa4\x95\xe0\xa5\x8d", true}, /* क् */
        {"\xd9\xa3\xc2\xb2", true},         /* digits */
        {"\xc2\xa0", false},                /* spaces that are not ASCII */
        {"\xe2\x80\x83", false},
        {"\xe3\x80\x80", false},
        {"\xe2\x80\xa8", false},
        {"\xc2\x85", false},
        {"\xc2\xad", false},                /* invisible: soft hyphen, zero widths, BOM */
        {"a\xe2\x80\x8b", false},
        {"a\xe2\x80\x8c", false},
        {"a\xe2\x80\x8d", false},
        {"\xef\xbb\xbf", false},
        {"\xe2\x81\xa0", false},
        {"a\xcd\x8f", false},               /* a joiner that is a mark, and its like */
        {"a\xef\xb8\x8f", false},
        {"\xe1\x85\x9f", false},            /* letters that are nothing to see */
        {"\xe3\x85\xa4", false},
        {"\xef\xbe\xa0", false},
        {"\xe2\x80\xae", false},            /* direction */
        {"\xe2\x81\xa6", false},
        {"\xe2\x80\x8f", false},
        {"\xf0\x9f\x90\x8e", false},        /* symbols, punctuation */
        {"\xe2\x82\xac", false},
        {"\xef\xbc\xa0", false},            /* a wide @ */
        {"\xee\x80\x80", false},            /* private, unassigned */
        {"\xf0\x9f\xbf\xbf", false},
        {"\xff", false},
        {"a\xc3", false},
        {"\xed\xa0\x80", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (canon_is_words(rows[i].text) != rows[i].words)
            fail_msg("row %zu: \"%s\"", i, rows[i].text);
}

static void lines(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool line;
    } rows[] = {
        {"", true},
        {"Иван Петров", true},
        {"a  b", true},
        {"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80", true}, /* a joined emoji */
        {"a\nb", false},
        {"a\rb", false},
        {"a\tb", false},
        {"\x1b[31m", false},
        {"\x7f", false},
        {"\x01", false},
        {"\xc2\x85", false},
        {"\xc2\x9b", false},
        {"\xe2\x80\xa8", false},
        {"\xe2\x80\xa9", false},
        {"\xed\xa0\x80", false},
        {"\xff", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (canon_is_line(rows[i].text) != rows[i].line)
            fail_msg("row %zu: \"%s\"", i, rows[i].text);
}

static void passwords(void **state) {
    (void)state;
    static const struct {
        const char *typed;
        size_t len;
        const char *expected; /* NULL: refused */
    } rows[] = {
        {"korrekt Pferd", 13, "korrekt Pferd"},
        {"", 0, ""},
        {"PaSs", 4, "PaSs"},
        {"a\xcc\x88", 3, "\xc3\xa4"},
        {"\xef\xac\x81", 3, "fi"},
        {"\xc2\xa0", 2, " "},
        {"\xef\xbc\xa1", 3, "A"},
        {"\xc2\xb2", 2, "2"},
        {"\xc3\x9f", 2, "\xc3\x9f"},
        {"\xff", 1, NULL},
        {"ab\xc3", 3, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = 1000;
        char *text = canon_password(rows[i].typed, rows[i].len, &len);
        if (rows[i].expected == NULL) {
            assert_null(text);
            continue;
        }
        assert_non_null(text);
        assert_int_equal(len, strlen(rows[i].expected));
        assert_string_equal(text, rows[i].expected);
        free(text);
    }
    /* Only so many bytes, and a NUL is one of them. */
    size_t len;
    char *text = canon_password("abc\xff", 3, &len);
    assert_string_equal(text, "abc");
    free(text);
    text = canon_password("a\0b", 3, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(text, "a\0b", 3);
    free(text);
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
        cmocka_unit_test(emails), cmocka_unit_test(long_emails), cmocka_unit_test(usernames),
        cmocka_unit_test(words),  cmocka_unit_test(lines),       cmocka_unit_test(passwords),
        cmocka_unit_test(ascii_is_the_same_either_way),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
