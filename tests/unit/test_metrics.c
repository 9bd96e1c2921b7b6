#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/metrics.h"

#define SLOTS 8

static struct metrics sum;
static void *memory;

static void in_a_process_of_its_own(unsigned slot, void (*work)(void)) {
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        metrics_take_slot(slot);
        work();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void work(void) {
    for (int i = 0; i < 1000; i++)
        metrics_request(3, 1, 120);
    metrics_decision(0);
    metrics_event(EVENT_BATCH, 5);
}

static void slots_are_added_up(void **state) {
    (void)state;
    for (unsigned slot = 0; slot < SLOTS; slot += 2)
        in_a_process_of_its_own(slot, work);
    in_a_process_of_its_own(0, work); /* a successor goes on */
    metrics_sum(&sum);
    assert_int_equal(sum.requests[3][1], 5000);
    assert_int_equal(sum.decisions[0], 5);
    assert_int_equal(sum.events[EVENT_BATCH], 25);
    assert_int_equal(metrics_histogram_count(&sum.durations[3]), 5000);
    assert_int_equal(sum.durations[3].buckets[1], 5000);
    assert_int_equal(sum.durations[3].sum_us, 600000);
}

static void bounds(void) {
    static const int64_t times[] = {-5, 0, 100, 101, 5000000, 5000001, INT64_MAX / 2};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        metrics_timer(TIMER_HASH, times[i]);
}

static void durations_are_sorted(void **state) {
    (void)state;
    in_a_process_of_its_own(1, bounds);
    metrics_sum(&sum);
    assert_int_equal(sum.timers[TIMER_HASH].buckets[0], 3);
    assert_int_equal(sum.timers[TIMER_HASH].buckets[1], 1);
    assert_int_equal(sum.timers[TIMER_HASH].buckets[METRICS_BUCKETS - 2], 1);
    assert_int_equal(sum.timers[TIMER_HASH].buckets[METRICS_BUCKETS - 1], 2);
}

static void too_high(void) {
    metrics_request(METRICS_ROUTES + 7, METRICS_STATUSES + 7, 1);
    metrics_refusal(METRICS_REASONS);
    metrics_limit(METRICS_LIMITS, 7);
}

static void numbers_beyond_count_as_the_last(void **state) {
    (void)state;
    in_a_process_of_its_own(1, too_high);
    metrics_sum(&sum);
    assert_int_equal(sum.requests[METRICS_ROUTES - 1][METRICS_STATUSES - 1], 1);
    assert_int_equal(sum.refusals[METRICS_REASONS - 1], 1);
    assert_int_equal(sum.limits[METRICS_LIMITS - 1][1], 1);
}

/* As a worker that was taken over could. */
static void whatever_is_written_there(void **state) {
    (void)state;
    in_a_process_of_its_own(1, work);
    metrics_sum(&sum);
    uint64_t before = sum.requests[3][1];
    *(unsigned *)memory = UINT32_MAX;
    metrics_sum(&sum);
    assert_int_equal(sum.requests[3][1], before);
}

int main(void) {
    memory = mmap(NULL, metrics_size(SLOTS), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    metrics_share(memory, SLOTS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_added_up),
        cmocka_unit_test(durations_are_sorted),
        cmocka_unit_test(numbers_beyond_count_as_the_last),
        cmocka_unit_test(whatever_is_written_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
