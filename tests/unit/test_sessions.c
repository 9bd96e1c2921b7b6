/* What the answers of Redis mean, hand-made: yes, no, or that nobody can tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "store/sessions.h"

#define JTI "AbC-_0123456789"
#define WHO "42\ta@b.example\tada\t\tadmin"

static struct arena *arena;
static const struct reply nil = {.kind = REPLY_NIL}, zero = {.kind = REPLY_INT},
                          one = {.kind = REPLY_INT, .number = 1},
                          error = {.kind = REPLY_ERROR, .text = "ERR", .len = 3};
static const struct reply *const nothing[] = {NULL, &nil, &error};
#define NOTHINGS (sizeof nothing / sizeof *nothing)

static struct reply text(const char *of) {
    return (struct reply){.kind = REPLY_TEXT, .text = of, .len = strlen(of)};
}

static enum session_state look_up(const char *who, const char *revoked, const struct reply *blacklisted) {
    struct reply parts[] = {text(who != NULL ? who : ""), text("1800000000000"),
                            text(revoked != NULL ? revoked : "")};
    struct reply gone = nil;
    struct reply *members[] = {who != NULL ? &parts[0] : &gone, &parts[1],
                               revoked != NULL ? &parts[2] : &gone};
    const struct reply list = {.kind = REPLY_LIST, .members = members, .count = 3};
    struct ask session = {.reply = &list}, blacklist = {.reply = blacklisted};
    const struct session_lookup lookup = {.session = &session, .blacklist = &blacklist, .jti = JTI};
    struct session_who found;
    int64_t last;
    return sessions_lookup_answer(&lookup, arena, &found, &last);
}

static void lookups(void **state) {
    (void)state;
    assert_int_equal(look_up(WHO, NULL, &zero), SESSION_LIVES);
    assert_int_equal(look_up(WHO, NULL, &one), SESSION_TOKEN_REVOKED);
    assert_int_equal(look_up(WHO, "other " JTI " ", &zero), SESSION_TOKEN_REVOKED);
    assert_int_equal(look_up(NULL, NULL, &one), SESSION_TOKEN_REVOKED);
    assert_int_equal(look_up(NULL, NULL, &zero), SESSION_GONE);
    /* The connection may break between the two answers. */
    for (size_t i = 0; i < NOTHINGS; i++)
        assert_int_equal(look_up(WHO, NULL, nothing[i]), SESSION_UNKNOWN);
}

static void a_lookup_without_an_answer(void **state) {
    (void)state;
    for (size_t i = 0; i < NOTHINGS; i++) {
        struct ask session = {.reply = nothing[i]};
        const struct session_lookup lookup = {.session = &session};
        struct session_who found;
        int64_t last;
        assert_int_equal(sessions_lookup_answer(&lookup, arena, &found, &last), SESSION_UNKNOWN);
    }
}

/* What scripts that end something answer: the mark, whether they may have ended any, and what they found. */
static struct reply answer_of(struct reply *first, struct reply *second, struct reply *members[4]) {
    static struct reply mark = {.kind = REPLY_INT, .number = 1795177822123456},
                        may = {.kind = REPLY_INT, .number = 1};
    members[0] = &mark;
    members[1] = &may;
    members[2] = first;
    members[3] = second;
    return (struct reply){.kind = REPLY_LIST, .members = members, .count = second != NULL ? 4 : 3};
}

static void ends_one(void **state) {
    (void)state;
    struct reply owner = text("42"), none = zero, *members[4];
    struct reply yes = answer_of(&owner, NULL, members);
    struct ask ask = {.reply = &yes};
    assert_int_equal(sessions_end_answer(&ask), ANSWER_YES);
    assert_string_equal(sessions_end_owner(&ask, arena), "42");
    struct reply no = answer_of(&none, NULL, members);
    ask.reply = &no;
    assert_int_equal(sessions_end_answer(&ask), ANSWER_NO);
    ask.again = true; /* the first time, whose answer was lost, may have ended it */
    assert_int_equal(sessions_end_answer(&ask), ANSWER_UNKNOWN);
    for (size_t i = 0; i < NOTHINGS; i++)
        assert_int_equal(sessions_end_answer(&(struct ask){.reply = nothing[i]}), ANSWER_UNKNOWN);
}

static void ends_all(void **state) {
    (void)state;
    struct reply count = {.kind = REPLY_INT, .number = 3}, more = zero, *members[4];
    struct reply list = answer_of(&count, &more, members);
    struct ask ask = {.reply = &list};
    int64_t ended;
    bool sweep;
    assert_int_equal(sessions_end_all_answer(&ask, &ended, &sweep), ANSWER_YES);
    assert_int_equal(ended, 3);
    assert_false(sweep);
    more.number = 1;
    assert_int_equal(sessions_end_all_answer(&ask, &ended, &sweep), ANSWER_YES);
    assert_true(sweep);
    for (size_t i = 0; i < NOTHINGS; i++) {
        ask.reply = nothing[i];
        assert_int_equal(sessions_end_all_answer(&ask, &ended, &sweep), ANSWER_UNKNOWN);
        assert_int_equal(sessions_rename_answer(&ask, &sweep), ANSWER_UNKNOWN);
    }
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
        cmocka_unit_test(lookups),
        cmocka_unit_test(a_lookup_without_an_answer),
        cmocka_unit_test(ends_one),
        cmocka_unit_test(ends_all),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
