#include "domain/pause.h"

#include "base/clock.h"

void pause_after(struct pause *pause, int64_t begun, int64_t least_ms) {
    int64_t now = clock_mono_ms(), ms = 5 * (now - begun);
    if (ms < PAUSE_MIN_MS)
        ms = least_ms;
    pause->until = now + (ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS);
}

bool pause_goes_on(const struct pause *pause) {
    return clock_mono_ms() < pause->until;
}
