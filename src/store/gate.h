/*
 * gate: what workers tell each other about a store that does not answer.
 *
 * A connection that must be made anew asks the gate first.  After a failure the gate stays shut for
 * a moment, then lets one worker try while the others go on refusing at once: a store that hangs
 * holds up one worker at a time, not all of them, and a request is not kept waiting behind tries.
 * The struct lives in memory that the workers share.
 */
#ifndef STORE_GATE_H
#define STORE_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/url.h"
#include "store/mark.h"

struct gate {
    _Atomic int64_t shut_until; /* clock_mono_ms; 0: open */
    struct mark mark; /* of Redis alone */
    _Atomic int64_t sweep_until; /* clock_mono_ms: until then one worker looks at all that Redis holds */
    /* Where sentinels say which host leads: see sentinel.h. */
    _Atomic int64_t ask_after;                  /* clock_mono_ms */
    _Atomic int64_t rest_until[CONF_MAX_HOSTS]; /* clock_mono_ms; of sentinels that did not answer */
    _Atomic uint64_t epoch;                     /* the highest that any of them named */
    _Atomic uint32_t turn;
};

/* Whether the caller may try now.  When the gate was shut, it stays shut for the others while the
 * caller tries, for at most try_ms. */
bool gate_may_try(struct gate *gate, int64_t try_ms);
/* Whether another worker has just found that the store does not answer. */
bool gate_is_shut(struct gate *gate);
/* The store has just answered, on whichever connection: everybody may try. */
void gate_opened(struct gate *gate);
/* It did not. */
void gate_failed(struct gate *gate);

/* A look at every key there is takes long where there are many: one of all workers may, while the others
 * answer what else is asked.  Whether the caller may, until it says that it has done. */
bool gate_may_sweep(struct gate *gate);
/* It still goes on, and the next page may take page_ms: whoever died with it is passed over. */
void gate_sweeps_on(struct gate *gate, int64_t page_ms);
void gate_has_swept(struct gate *gate);

#endif
