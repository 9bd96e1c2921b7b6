#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "domain/account_check.h"

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define LABEL "a23456789012345678901234567890123456789012345678901234567890." /* 60 and a dot */

struct row {
    const char *text;
    bool good;
};

static void check(const char *(*function)(const char *), const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *why = function(rows[i].text);
        if ((why == NULL) != rows[i].good)
            fail_msg("row %zu, \"%s\": %s", i, rows[i].text, why != NULL ? why : "taken");
    }
}

#define CHECK(function, rows) check(function, rows, sizeof(rows) / sizeof *(rows))

static void emails(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"a@b.example", true},
        {"a@localhost", true},
        {"a.b+c_d-e@mail.b-c.example", true},
        {"!#$%&'*+-/=?^_`{|}~@b.example", true},
        {"\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd@\xd0\xbf\xd1\x80.\xd1\x80\xd1\x84", true},
        {"1@2.3", true},
        {"-a-@b.example", true},
        {"", false},
        {"@", false},
        {"a", false},
        {"a@", false},
        {"@b.example", false},
        {"a@b@c.example", false},
        {"a@@b.example", false},
        {"\"a b\"@b.example", false},
        {"\"a@b\"@b.example", false},
        {"a@[127.0.0.1]", false},
        {"a(c)@b.example", false},
        {"<a@b.example>", false},
        {"Ivan <a@b.example>", false},
        {"a@b.example,c@d.example", false},
        {"a@b.example;c", false},
        {"a:b@c.example", false},
        {"a\\@b.example", false},
        {".a@b.example", false},
        {"a.@b.example", false},
        {"a..b@c.example", false},
        {"a@.b.example", false},
        {"a@b.example.", false},
        {"a@b..example", false},
        {"a@-b.example", false},
        {"a@b.example-", false},
        {"a@b_c.example", false},
        {"a b@c.example", false},
        {" a@b.example", false},
        {"a@b.example ", false},
        {"a@b.example\n", false},
        {"a@b.example\r\nBcc: c@d.example", false},
        {"a\t@b.example", false},
        {"a\x01@b.example", false},
        {"a\x7f@b.example", false},
        {"a@b.example\xe2\x80\x8b", false},     /* zero width */
        {"a\xe2\x80\xae@b.example", false},     /* right to left */
        {"a\xc2\xa0@b.example", false},         /* no-break space */
        {"a\xef\xbc\xa0@b.example", false},     /* a second, wide @ */
        {"\xf0\x9f\x90\x8e@b.example", false},
        {"\xe3\x85\xa4@b.example", false},      /* Hangul filler */
        {"a\xff@b.example", false},
        {"a\xed\xa0\x80@b.example", false},
        /* 254 in all, wherever the @ stands */
        {FIFTY FIFTY FIFTY FIFTY TEN TEN TEN TEN "0123@b.example", true},
        {FIFTY FIFTY FIFTY FIFTY TEN TEN TEN TEN "01234@b.example", false},
        {FIFTY TEN "@" LABEL LABEL LABEL TEN, true},              /* 60 + 1 + 183 + 10 */
        {FIFTY TEN "@" LABEL LABEL LABEL TEN "0", false},
    };
    assert_int_equal(strlen(rows[sizeof rows / sizeof *rows - 2].text), 254);
    CHECK(check_email, rows);
}

static void usernames(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"abc", true},
        {"Ivan.P_-09", true},
        {"...", true},
        {TEN TEN TEN "01", true},
        {TEN TEN TEN "012", false},
        {"ab", false},
        {"", false},
        {"a b", false},
        {"a@b", false},
        {"abc ", false},
        {"abc\n", false},
        {"a/b", false},
        {"a,b", false},
        {"a:b", false},
        {"a+b", false},
        {"iv\xc3\xa4n", false},
        {"\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd", false},
        {"abc\xff", false},
    };
    CHECK(check_username, rows);
}

static void display_names(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"a", true},
        {"Иван Петров", true},
        {"O'Neil, \"Jr.\" <b>", true},
        {"\xf0\x9f\x90\x8e", true},
        {FIFTY FIFTY TEN TEN "01234567", true},
        {FIFTY FIFTY TEN TEN "012345678", false},
        {"\xd0\xb0" FIFTY FIFTY TEN TEN "0123456", true},
        {"", false},
        {"a\nb", false},
        {"a\r\nSet-Cookie: x", false},
        {"a\tb", false},
        {"\x1b[2J", false},
        {"a\xe2\x80\xa8" "b", false},
        {"a\xff", false},
        {"\xed\xa0\x80", false},
        {"\xc0\x80", false},
    };
    CHECK(check_display_name, rows);
}

static void roles(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"a", true},
        {"admin", true},
        {"site:example.org:editor_1-a", true},
        {FIFTY TEN "0123", true},
        {FIFTY TEN "01234", false},
        {"", false},
        {"a,b", false}, /* lists are separated by commas */
        {"a b", false},
        {"a\n", false},
        {"\xc3\xa4", false},
        {"*", false},
    };
    CHECK(check_role, rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(emails),
        cmocka_unit_test(usernames),
        cmocka_unit_test(display_names),
        cmocka_unit_test(roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
