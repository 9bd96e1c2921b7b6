/* The board's times are set by hand: nothing here waits or depends on how fast a machine is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "pool/board.h"

/* Four workers of one pool, and one of another. */
static int make_board(void **state) {
    (void)state;
    board_create();
    for (unsigned slot = 0; slot < 5; slot++) {
        board_assign(slot, slot < 4 ? "web" : "other");
        board_slot(slot)->pid = 1000 + (int32_t)slot;
    }
    return 0;
}

/* As if it had begun to wait, or been let through, so much earlier. */
static void age(unsigned slot, int64_t ms) {
    int64_t turn = board_slot(slot)->turn;
    board_slot(slot)->turn = turn < 0 ? turn + ms : turn - ms;
}

/* … and as if nothing had been heard of it since. */
static void silence(unsigned slot, int64_t ms) {
    age(slot, ms);
    board_slot(slot)->turn_asked -= ms;
}

static void nobody_wants_one(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_false(board_turn(0, 1, false));
    assert_int_equal(board_slot(0)->turn, 0);
}

static void alone_it_always_has_one(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(board_turn(0, 1, true));
}

static void one_is_left_over(void **state) {
    (void)state;
    for (unsigned slot = 0; slot < 3; slot++)
        assert_true(board_turn(slot, 3, true));
    for (int i = 0; i < 3; i++)
        assert_false(board_turn(3, 3, true));
    /* The other pool's turns are its own. */
    assert_true(board_turn(4, 1, true));
    assert_false(board_turn(1, 3, false));
    assert_true(board_turn(3, 3, true));
    assert_false(board_turn(1, 3, true));
}

/* Whoever has just had one comes behind those that waited meanwhile. */
static void who_waited_longest_is_next(void **state) {
    (void)state;
    assert_true(board_turn(0, 1, true));
    age(0, 30);
    assert_false(board_turn(2, 1, true));
    age(2, 10);
    assert_false(board_turn(1, 1, true));
    age(1, 20);
    assert_false(board_turn(0, 1, true));
    assert_false(board_turn(2, 1, true));
    assert_true(board_turn(1, 1, true));
    assert_false(board_turn(1, 1, false));
    assert_false(board_turn(0, 1, true));
    assert_true(board_turn(2, 1, true));
    assert_false(board_turn(2, 1, true));
    assert_true(board_turn(0, 1, true));
}

/* Two that began to wait in the same millisecond do not wait for each other. */
static void one_of_two_is_next(void **state) {
    (void)state;
    int64_t now = clock_mono_ms();
    board_slot(1)->turn = board_slot(2)->turn = now;
    board_slot(1)->turn_asked = board_slot(2)->turn_asked = now;
    assert_false(board_turn(2, 1, true));
    assert_true(board_turn(1, 1, true));
}

static void the_dead_hold_nobody_up(void **state) {
    (void)state;
    assert_true(board_turn(0, 1, true));
    assert_false(board_turn(1, 1, true));
    board_clear(0);
    assert_true(board_turn(1, 1, true));
    /* Its successor begins anew. */
    board_assign(0, "web");
    board_slot(0)->pid = 2000;
    assert_int_equal(board_slot(0)->turn, 0);
    assert_false(board_turn(0, 1, true));
}

static void nor_do_those_that_are_stuck(void **state) {
    (void)state;
    assert_true(board_turn(0, 1, true));
    assert_false(board_turn(1, 1, true));
    assert_false(board_turn(2, 1, true));
    silence(0, TURN_MS + 1);
    silence(1, TURN_MS + 1);
    assert_true(board_turn(2, 1, true));
}

/* However long it was: the one that has just had a turn does not take the next one too. */
static void long_waits_are_no_sign_of_that(void **state) {
    (void)state;
    assert_true(board_turn(0, 1, true));
    age(0, 20);
    assert_false(board_turn(1, 1, true));
    age(1, TURN_MS + 10);
    assert_false(board_turn(1, 1, true));
    assert_false(board_turn(0, 1, true));
    assert_true(board_turn(1, 1, true));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, make_board)
    const struct CMUnitTest tests[] = {
        TEST(nobody_wants_one),
        TEST(alone_it_always_has_one),
        TEST(one_is_left_over),
        TEST(who_waited_longest_is_next),
        TEST(one_of_two_is_next),
        TEST(the_dead_hold_nobody_up),
        TEST(nor_do_those_that_are_stuck),
        TEST(long_waits_are_no_sign_of_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
