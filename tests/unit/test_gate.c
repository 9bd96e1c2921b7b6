/* The gate's time is set by hand, so that nothing here waits or depends on how fast a machine is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/gate.h"
#include "store/redis_link.h"

#define LONG_MS 1000000

static void open_for_all(void **state) {
    (void)state;
    struct gate gate = {0};
    for (int i = 0; i < 3; i++)
        assert_true(gate_may_try(&gate, LONG_MS));
    gate_opened(&gate);
    assert_int_equal(gate.shut_until, 0);
    assert_true(gate_may_try(&gate, LONG_MS));
}

static void shut_after_a_failure(void **state) {
    (void)state;
    struct gate gate = {0};
    int64_t before = clock_mono_ms();
    gate_failed(&gate);
    int64_t after = clock_mono_ms();
    assert_true(gate.shut_until >= before + 200);
    assert_true(gate.shut_until <= after + 200);
    gate.shut_until = clock_mono_ms() + LONG_MS;
    assert_false(gate_may_try(&gate, LONG_MS));
    assert_false(gate_may_try(&gate, 0));
    gate_opened(&gate);
    assert_true(gate_may_try(&gate, LONG_MS));
}

/* When the moment is over, one goes ahead. */
static void one_tries(void **state) {
    (void)state;
    struct gate gate = {.shut_until = clock_mono_ms() - 1};
    assert_true(gate_may_try(&gate, LONG_MS));
    assert_false(gate_may_try(&gate, LONG_MS));
    assert_false(gate_may_try(&gate, LONG_MS));
    gate_opened(&gate);
    assert_true(gate_may_try(&gate, LONG_MS));
    assert_true(gate_may_try(&gate, LONG_MS));
}

/* Whoever tried and died holds nobody up for longer than the try was to take. */
static void tries_end(void **state) {
    (void)state;
    struct gate gate = {.shut_until = clock_mono_ms() - 1};
    assert_true(gate_may_try(&gate, 0));
    assert_true(gate_may_try(&gate, LONG_MS));
    assert_false(gate_may_try(&gate, LONG_MS));
}

/* Of many processes at once, too, exactly one. */
static void one_of_many(void **state) {
    (void)state;
    struct shared {
        struct gate gate;
        atomic_int ready, tried;
    } *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    enum { PROCESSES = 4 };
    shared->gate.shut_until = clock_mono_ms() - 1;
    pid_t pids[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            shared->ready++;
            while (shared->ready < PROCESSES)
                continue;
            for (int n = 0; n < 10000; n++)
                if (gate_may_try(&shared->gate, LONG_MS))
                    shared->tried++;
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++)
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    assert_int_equal(shared->tried, 1);
    munmap(shared, sizeof *shared);
}

static struct reply number(int64_t value) {
    return (struct reply){.kind = REPLY_INT, .number = value};
}

/* A connection to the primary of that election. */
static struct redis_link link_of(uint64_t epoch) {
    return (struct redis_link){.address.sentinel_count = 1, .primary.epoch = epoch, .process = 40 + (int64_t)epoch};
}

static void take(struct mark *mark, int64_t value, bool ended, uint64_t epoch) {
    struct reply first = number(value), second = number(ended), *members[] = {&first, &second};
    const struct reply reply = {.kind = REPLY_LIST, .members = members, .count = 2};
    const struct redis_link link = link_of(epoch);
    mark_take(mark, &reply, &link);
}

/* Acknowledgements of several workers come in any order; what is no acknowledgement changes nothing. */
static void the_highest_mark_is_kept(void **state) {
    (void)state;
    struct mark mark = {0};
    const struct reply error = {.kind = REPLY_ERROR, .text = "OOM"};
    const struct redis_link link = link_of(4);
    take(&mark, 5, false, 0);
    take(&mark, 9, true, 2);
    take(&mark, 7, true, 2);
    take(&mark, INT64_C(1795177822123456), false, 3);
    take(&mark, 8, true, 2); /* from a worker that still follows the primary of before */
    mark_take(&mark, &error, &link);
    mark_take(&mark, NULL, &link);
    take(&mark, 0, true, 4);
    assert_int_equal(mark.last, INT64_C(1795177822123456));
    assert_int_equal(mark.ended, 9);
    assert_int_equal(mark.epoch, 3);
    assert_int_equal(mark.process, 42); /* whichever acknowledged last */
    /* Sentinels that count from the beginning: whom they name is taken for just elected. */
    mark_count_anew(&mark, 1);
    assert_int_equal(mark.epoch, 0);
    mark_count_anew(&mark, 0);
    assert_int_equal(mark.epoch, 0);
}

/* One worker looks at all keys; whoever dies with it is passed over. */
static void one_sweeps(void **state) {
    (void)state;
    struct gate gate = {0};
    assert_true(gate_may_sweep(&gate));
    assert_false(gate_may_sweep(&gate));
    gate_sweeps_on(&gate, LONG_MS);
    assert_true(gate.sweep_until > clock_mono_ms() + LONG_MS);
    assert_false(gate_may_sweep(&gate));
    gate_has_swept(&gate);
    assert_true(gate_may_sweep(&gate));
    gate.sweep_until = clock_mono_ms() - 1;
    assert_true(gate_may_sweep(&gate));
}

static void a_mark_moves_now_and_then(void **state) {
    (void)state;
    struct mark mark = {0};
    assert_false(mark_is_due(&mark)); /* nobody named it */
    assert_false(mark_must_move(&mark));
    mark_name(&mark);
    assert_int_equal(strlen(mark.writer), 16);
    assert_true(mark_is_due(&mark));
    assert_true(mark_must_move(&mark));
    mark.move_at += LONG_MS;
    mark.told_at += LONG_MS;
    assert_false(mark_is_due(&mark));
    assert_false(mark_must_move(&mark));
    mark.move_at = mark.told_at = clock_mono_ms() - 1;
    assert_true(mark_must_move(&mark));
    assert_true(mark_is_due(&mark));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_mark_is_kept), cmocka_unit_test(a_mark_moves_now_and_then),
        cmocka_unit_test(one_sweeps),
        cmocka_unit_test(open_for_all), cmocka_unit_test(shut_after_a_failure),
        cmocka_unit_test(one_tries),    cmocka_unit_test(tries_end),
        cmocka_unit_test(one_of_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
