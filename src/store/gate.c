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
