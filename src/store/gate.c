#include "store/gate.h"

#include "base/clock.h"

/* How long nobody tries after a failure; a store that is back is noticed within this and a try. */
#define SHUT_MS 200

bool gate_may_try(struct gate *gate, int64_t try_ms) {
    int64_t until = atomic_load(&gate->shut_until);
    if (until == 0)
        return true;
    int64_t now = clock_mono_ms();
    if (now < until)
        return false;
    return atomic_compare_exchange_strong(&gate->shut_until, &until, now + try_ms);
}

bool gate_is_shut(struct gate *gate) {
    return clock_mono_ms() < atomic_load(&gate->shut_until);
}

void gate_opened(struct gate *gate) {
    /* Read first: while all is well nobody writes, and the line stays in every processor's cache. */
    if (atomic_load(&gate->shut_until) != 0)
        atomic_store(&gate->shut_until, 0);
}

void gate_failed(struct gate *gate) {
    atomic_store(&gate->shut_until, clock_mono_ms() + SHUT_MS);
}

/* How long a page may take beyond what Redis is waited for. */
#define SWEEP_MS 5000

bool gate_may_sweep(struct gate *gate) {
    int64_t now = clock_mono_ms(), until = atomic_load(&gate->sweep_until);
    return now >= until && atomic_compare_exchange_strong(&gate->sweep_until, &until, now + SWEEP_MS);
}

void gate_sweeps_on(struct gate *gate, int64_t page_ms) {
    atomic_store(&gate->sweep_until, clock_mono_ms() + page_ms + SWEEP_MS);
}

void gate_has_swept(struct gate *gate) {
    atomic_store(&gate->sweep_until, 0);
}
