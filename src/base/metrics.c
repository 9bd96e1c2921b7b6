#include "base/metrics.h"

#include <stdatomic.h>
#include <string.h>

#include "base/log.h"

/* Shared memory: how many slots were ever used, then the slots. */
struct shared {
    _Alignas(64) _Atomic unsigned used;
    struct metrics slots[];
};

static const int64_t bounds[] = METRICS_BOUNDS;
#define BOUNDS (sizeof bounds / sizeof *bounds)

static struct metrics private_slot;
static struct metrics *own = &private_slot;
static struct shared *shared;
static unsigned slot_count;

size_t metrics_size(unsigned slots) {
    return sizeof(struct shared) + slots * sizeof(struct metrics);
}

void metrics_share(void *memory, unsigned slots) {
    shared = memory;
    slot_count = slots;
}

void metrics_take_slot(unsigned slot) {
    if (shared == NULL)
        return;
    MUST(slot < slot_count);
    unsigned used = atomic_load(&shared->used);
    while (used <= slot && !atomic_compare_exchange_weak(&shared->used, &used, slot + 1))
        continue;
    own = &shared->slots[slot];
}

/* One writer: no read-modify-write is needed, only that readers see whole numbers. */
static void add(uint64_t *count, uint64_t n) {
    __atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
}

static unsigned within(unsigned number, unsigned count) {
    return number < count ? number : count - 1;
}

static void observe(struct metrics_histogram *histogram, int64_t us) {
    size_t i = 0;
    while (i < BOUNDS && us > bounds[i])
        i++;
    add(&histogram->buckets[i], 1);
    add(&histogram->sum_us, us > 0 ? (uint64_t)us : 0);
}

void metrics_request(unsigned route, unsigned status, int64_t us) {
    route = within(route, METRICS_ROUTES);
    add(&own->requests[route][within(status, METRICS_STATUSES)], 1);
    observe(&own->durations[route], us);
}

void metrics_refusal(unsigned reason) {
    add(&own->refusals[within(reason, METRICS_REASONS)], 1);
}

void metrics_decision(unsigned reason) {
    add(&own->decisions[within(reason, METRICS_REASONS)], 1);
}

void metrics_limit(unsigned limit, int limited) {
    add(&own->limits[within(limit, METRICS_LIMITS)][limited != 0], 1);
}

void metrics_timer(enum metrics_timer which, int64_t us) {
    observe(&own->timers[which], us);
}

void metrics_event(enum metrics_event which, uint64_t count) {
    add(&own->events[which], count);
}

int64_t metrics_spent(enum metrics_timer which) {
    return (int64_t)own->timers[which].sum_us;
}

/* struct metrics is nothing but counts. */
static void add_slot(struct metrics *sum, const struct metrics *slot) {
    const uint64_t *from = (const uint64_t *)slot;
    uint64_t *to = (uint64_t *)sum;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

_Static_assert(sizeof(struct metrics) % sizeof(uint64_t) == 0, "metrics are counts alone");
_Static_assert(METRICS_BUCKETS == BOUNDS + 1, "a bucket for each bound, and one for the rest");

void metrics_sum(struct metrics *sum) {
    memset(sum, 0, sizeof *sum);
    if (shared == NULL) {
        add_slot(sum, own);
        return;
    }
    unsigned used = atomic_load(&shared->used);
    for (unsigned i = 0; i < used; i++)
        add_slot(sum, &shared->slots[i]);
}

uint64_t metrics_histogram_count(const struct metrics_histogram *histogram) {
    uint64_t count = 0;
    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        count += histogram->buckets[i];
    return count;
}
