#include "base/metrics.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#ifdef METRICS_OFF
#define COUNTING false
#else
#define COUNTING true
#endif

/* What one process counts, and what it is at. */
struct slot {
    struct metrics counts;
    _Alignas(64) _Atomic unsigned doing; /* 1 + enum metrics_timer; 0: none of them */
};

/* Shared memory: how many slots were ever used, then the slots. */
struct shared {
    _Alignas(64) _Atomic unsigned used;
    struct slot slots[];
};

static const int64_t bounds[] = METRICS_BOUNDS;
#define BOUNDS (sizeof bounds / sizeof *bounds)

static struct slot private_slot;
static struct slot *own_slot = &private_slot;
static struct metrics *own = &private_slot.counts;
static struct shared *shared;
static unsigned slot_count;

size_t metrics_size(unsigned slots) {
    return sizeof(struct shared) + slots * sizeof(struct slot);
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
    own_slot = &shared->slots[slot];
    own = &own_slot->counts;
    atomic_store_explicit(&own_slot->doing, 0, memory_order_relaxed);
}

/* One writer: no read-modify-write is needed, only that readers see whole numbers. */
static void add(uint64_t *count, uint64_t n) {
    if (!COUNTING)
        return;
    __atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
}

static unsigned within(unsigned number, unsigned count) {
    return number < count ? number : count - 1;
}

static void observe(struct metrics_histogram *histogram, int64_t us) {
    size_t i = 0;
    if (!COUNTING)
        return;
    while (i < BOUNDS && us > bounds[i])
        i++;
    add(&histogram->buckets[i], 1);
    add(&histogram->sum_us, us > 0 ? (uint64_t)us : 0);
}

int64_t metrics_clock(void) {
    return COUNTING ? clock_mono_us() : 0;
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

void metrics_begin(enum metrics_timer which) {
    if (COUNTING)
        atomic_store_explicit(&own_slot->doing, 1 + (unsigned)which, memory_order_relaxed);
}

int metrics_doing(unsigned slot) {
    unsigned doing = shared != NULL && slot < slot_count
                         ? atomic_load_explicit(&shared->slots[slot].doing, memory_order_relaxed)
                         : 0;
    return doing <= TIMER_COUNT ? (int)doing - 1 : -1;
}

void metrics_timer(enum metrics_timer which, int64_t us) {
    if (COUNTING)
        atomic_store_explicit(&own_slot->doing, 0, memory_order_relaxed);
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
    /* The master asks too, and a worker that was taken over may have written anything there. */
    unsigned used = atomic_load(&shared->used);
    for (unsigned i = 0; i < used && i < slot_count; i++)
        add_slot(sum, &shared->slots[i].counts);
}

uint64_t metrics_histogram_count(const struct metrics_histogram *histogram) {
    uint64_t count = 0;
    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        count += histogram->buckets[i];
    return count;
}

int64_t metrics_histogram_part(const struct metrics_histogram *histogram, unsigned percent) {
    uint64_t all = metrics_histogram_count(histogram), count = 0;
    if (all == 0)
        return 0;
    for (size_t i = 0; i < BOUNDS; i++) {
        count += histogram->buckets[i];
        if (count * 100 >= all * percent)
            return bounds[i];
    }
    return -1;
}
