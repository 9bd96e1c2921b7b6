#include "domain/rest.h"

#include "base/clock.h"

void rest_after(struct rest *rest, int64_t begun, int64_t least_ms) {
    int64_t now = clock_mono_ms(), ms = 5 * (now - begun);
    if (ms < REST_MIN_MS)
        ms = least_ms;
    rest->until = now + (ms < REST_MAX_MS ? ms : REST_MAX_MS);
}

bool rest_goes_on(const struct rest *rest) {
    return clock_mono_ms() < rest->until;
}
